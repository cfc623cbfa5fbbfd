// An everyday session of go-sql-driver/mysql; it writes down what it got.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-sql-driver/mysql"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func say(format string, values ...any) { fmt.Printf(format+"\n", values...) }

func rows(found *sql.Rows, err error) {
	must(err)
	defer found.Close()
	types, err := found.ColumnTypes()
	must(err)
	for _, t := range types {
		fmt.Printf("%s:%s ", t.Name(), t.DatabaseTypeName())
	}
	fmt.Println()
	for found.Next() {
		values := make([]any, len(types))
		for i := range values {
			values[i] = new(any)
		}
		must(found.Scan(values...))
		for _, value := range values {
			switch v := (*value.(*any)).(type) {
			case []byte:
				fmt.Printf("%q | ", v)
			case time.Time:
				fmt.Printf("%s | ", v.Format(time.RFC3339))
			default:
				fmt.Printf("%v | ", v)
			}
		}
		fmt.Println()
	}
	must(found.Err())
}

const everything = "SELECT id, full_name, email, ssn, birth_date, credit_limit, points, seen_at, level, photo FROM customers"

func session(db *sql.DB) {
	must(db.Ping())
	rows(db.Query(everything + " ORDER BY id"))
	for id := 1; id <= 3; id++ {
		rows(db.Query(everything+" WHERE id = ?", id))
	}
	prepared, err := db.Prepare("SELECT o.id, o.total, c.full_name, c.email FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.total > ? ORDER BY o.id")
	must(err)
	rows(prepared.Query(5))
	rows(prepared.Query("15.5"))
	must(prepared.Close())

	tx, err := db.Begin()
	must(err)
	_, err = tx.Exec("DELETE FROM pad WHERE id IN (?, ?)", 200, 201)
	must(err)
	result, err := tx.Exec("INSERT INTO pad (id, txt) VALUES (?, ?), (?, ?)", 200, "äöü", 201, nil)
	must(err)
	count, err := result.RowsAffected()
	must(err)
	say("inserted %d", count)
	rows(tx.Query("SELECT id, txt FROM pad WHERE id IN (200, 201) ORDER BY id"))
	must(tx.Rollback())
	rows(db.Query("SELECT COUNT(*) FROM pad WHERE id IN (200, 201)"))
	tx, err = db.BeginTx(context.Background(), &sql.TxOptions{Isolation: sql.LevelReadCommitted, ReadOnly: true})
	must(err)
	rows(tx.Query("SELECT id FROM orders ORDER BY id"))
	must(tx.Commit())

	for _, text := range []string{"SELECT nothing FROM pad", "INSERT INTO pad (id, txt) VALUES (1, 'twice')", "SELEC 1"} {
		_, err := db.Exec(text)
		var failure *mysql.MySQLError
		say("error %v", errors.As(err, &failure))
	}
	long, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_, err = db.ExecContext(long, "SELECT SLEEP(15)")
	say("cut off %v", err != nil)
	rows(db.Query("SELECT 1 AS still_there"))
}

// What a prepared statement gives beyond the bounds of a result: an error, and the connection goes on.
func capped(db *sql.DB) {
	connection, err := db.Conn(context.Background())
	must(err)
	four, err := connection.PrepareContext(context.Background(), "SELECT id FROM pad WHERE id < 3 UNION ALL SELECT id FROM seats WHERE id < 3 AND id > ?")
	must(err)
	three, err := connection.PrepareContext(context.Background(), "SELECT id FROM seats WHERE id > ? ORDER BY id")
	must(err)
	for range 5 {
		found, err := four.Query(0)
		count := 0
		for err == nil && found.Next() {
			count++
		}
		if err == nil {
			err = found.Err()
		}
		var failure *mysql.MySQLError
		say("%v %v", errors.As(err, &failure) && failure.Number == 1153, count <= 3)
		rows(three.Query(0))
	}
}

func main() {
	if os.Getenv("QG_CAPPED") != "" {
		db, err := sql.Open("mysql", os.Getenv("QG_DSN")+"?tls=skip-verify")
		must(err)
		capped(db)
		return
	}
	for _, options := range []string{"", "&interpolateParams=true", "&parseTime=true&clientFoundRows=true&multiStatements=true"} {
		say("with %s", options)
		db, err := sql.Open("mysql", os.Getenv("QG_DSN")+"?tls=skip-verify"+options)
		must(err)
		session(db)
		must(db.Close())
	}
}
