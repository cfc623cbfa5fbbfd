// A session of pgx, written down line by line. The connection comes from libpq's variables; QG_MASKED says that this account sees masks.
// The same lines are expected past the gateway and through it, but for masked values.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

var masked = os.Getenv("QG_MASKED") != ""

func say(what string, value any) { fmt.Printf("%s: %v\n", what, value) }

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func code(err error) string {
	var told *pgconn.PgError
	if errors.As(err, &told) {
		return told.Code + " " + told.ConstraintName
	}
	return fmt.Sprint(err)
}

// rows gives all values of a query.
func rows(ctx context.Context, c interface {
	Query(context.Context, string, ...any) (pgx.Rows, error)
}, sql string, values ...any) any {
	found, err := c.Query(ctx, sql, values...)
	if err != nil {
		return code(err)
	}
	all, err := pgx.CollectRows(found, func(row pgx.CollectableRow) (string, error) {
		values, err := row.Values()
		return fmt.Sprint(values), err
	})
	if err != nil {
		return code(err)
	}
	return all
}

type person struct {
	ID    int32
	Name  string
	Email *string
}

func queries(ctx context.Context, c *pgx.Conn) {
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	} {
		say(mode.String(), rows(ctx, c, "SELECT id, name, email, ssn FROM people WHERE id < $1 ORDER BY id", mode, 4))
		say("joined", rows(ctx, c, "SELECT o.id, p.email, o.amount FROM orders o JOIN people p ON p.id = o.person_id WHERE o.id = $1", mode, 7))
	}
	found := must(c.Query(ctx, "SELECT id, name, email FROM people WHERE id = $1", 3))
	one := must(pgx.CollectExactlyOneRow(found, pgx.RowToStructByName[person]))
	say("struct", []any{one.ID, one.Name, *one.Email})
	say("named", rows(ctx, c, "SELECT id FROM orders WHERE id = @id OR id = @other ORDER BY id", pgx.NamedArgs{"id": 1, "other": 2}))
	say("typed", rows(ctx, c, "SELECT $1::jsonb, $2::int[], $3::timestamptz, $4::bytea, $5::numeric, $6::uuid, $7::interval, $8::inet",
		map[string]any{"a": 1}, []int32{1, 2}, time.Unix(0, 0).UTC(), []byte{0, 255}, pgtype.Numeric{}, [16]byte{15: 1}, 90*time.Minute, "10.0.0.1"))
	prepared := must(c.Prepare(ctx, "by id", "SELECT email FROM people WHERE id = $1"))
	say("described", []any{prepared.ParamOIDs, prepared.Fields[0].Name, prepared.Fields[0].DataTypeOID})
	say("prepared", rows(ctx, c, "by id", 5))
	must(0, c.Deallocate(ctx, "by id"))
	results := must(c.PgConn().Exec(ctx, "SELECT 1; SELECT email FROM people WHERE id = 1; UPDATE items SET label = label WHERE id = 0").ReadAll())
	for _, result := range results {
		say("several", []any{result.CommandTag, len(result.Rows)})
	}
}

func transactions(ctx context.Context, c *pgx.Conn) {
	tx := must(c.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}))
	must(tx.Exec(ctx, "INSERT INTO items VALUES ($1, $2)", 10, "outer"))
	inner := must(tx.Begin(ctx))
	_, err := inner.Exec(ctx, "INSERT INTO items VALUES ($1, $2)", 10, "again")
	say("unique", code(err))
	must(0, inner.Rollback(ctx))
	say("kept", rows(ctx, tx, "SELECT * FROM items WHERE id = 10"))
	must(tx.Exec(ctx, "DECLARE people_read CURSOR FOR SELECT id, email FROM people ORDER BY id"))
	say("fetched", rows(ctx, tx, "FETCH 3 FROM people_read"))
	say("moved", must(tx.Exec(ctx, "MOVE 2 FROM people_read")))
	say("fetched", rows(ctx, tx, "FETCH NEXT FROM people_read"))
	must(0, tx.Rollback(ctx))
	for _, sql := range []string{"SELECT 1 / 0", "SELECT * FROM nowhere", "SELECT nothing FROM orders", "INSERT INTO orders (id, person_id) VALUES (1000, 999)"} {
		_, err := c.Exec(ctx, sql)
		say(sql, code(err))
	}
}

func batches(ctx context.Context, c *pgx.Conn) {
	batch := &pgx.Batch{}
	for i := range 20 {
		batch.Queue("SELECT id, email FROM people WHERE id = $1", 1+i)
	}
	batch.Queue("INSERT INTO items VALUES ($1, $2)", 20, "of the batch")
	batch.Queue("SELECT 1 / $1::int", 0)
	batch.Queue("SELECT 2")
	results := c.SendBatch(ctx, batch)
	for range 20 {
		var id int
		var email *string
		must(0, results.QueryRow().Scan(&id, &email))
		say("batch", []any{id, *email})
	}
	say("inserted", must(results.Exec()))
	_, err := results.Exec()
	say("failed", code(err))
	say("closed", code(results.Close()))
	say("rolled back", rows(ctx, c, "SELECT count(*) FROM items WHERE id = 20"))
	pipeline := c.PgConn().StartPipeline(ctx)
	pipeline.SendQueryParams("SELECT email FROM people WHERE id = $1", [][]byte{[]byte("1")}, nil, nil, nil)
	pipeline.SendQueryParams("SELECT 1 / 0", nil, nil, nil, nil)
	must(0, pipeline.Sync())
	pipeline.SendQueryParams("SELECT 3", nil, nil, nil, nil)
	must(0, pipeline.Sync())
	for range 5 {
		answer, err := pipeline.GetResults()
		if reader, ok := answer.(*pgconn.ResultReader); ok {
			result := reader.Read()
			say("pipeline", []any{result.CommandTag, len(result.Rows), code(result.Err)})
		} else {
			say("pipeline", []any{fmt.Sprintf("%T", answer), code(err)})
		}
	}
	must(0, pipeline.Close())
}

func copies(ctx context.Context, c *pgx.Conn) {
	tx := must(c.Begin(ctx))
	source := pgx.CopyFromSlice(5000, func(i int) ([]any, error) { return []any{1000 + i, fmt.Sprint("line ", i)}, nil })
	say("copied in", must(tx.CopyFrom(ctx, pgx.Identifier{"items"}, []string{"id", "label"}, source)))
	say("copied in", must(c.PgConn().CopyFrom(ctx, strings.NewReader("9000,x\n9001,y\n"), "COPY items FROM STDIN (FORMAT csv)")))
	var out bytes.Buffer
	say("copied out", must(c.PgConn().CopyTo(ctx, &out, "COPY (SELECT id, email, ssn FROM people WHERE id < 4 ORDER BY id) TO STDOUT")))
	say("lines", strings.Split(out.String(), "\n"))
	must(0, tx.Rollback(ctx))
}

func listening(ctx context.Context, c *pgx.Conn, other *pgx.Conn) {
	must(c.Exec(ctx, "LISTEN orders"))
	must(other.Exec(ctx, "SELECT pg_notify($1, $2)", "orders", "one"))
	say("heard", must(c.WaitForNotification(ctx)).Channel)
	must(c.Exec(ctx, "UNLISTEN *"))
}

func cancelling(ctx context.Context) {
	config := must(pgx.ParseConfig(""))
	config.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: 20 * time.Second}
	}
	c := must(pgx.ConnectConfig(ctx, config))
	// The rows before it are too long to wait in the server's buffer, so the first of them tells that the server is at work.
	short, cancel := context.WithCancel(ctx)
	defer cancel()
	found := must(c.Query(short, "SELECT repeat('x', 9000), n > 3 AND pg_sleep(30) IS NULL FROM generate_series(1, 4) AS n"))
	say("began", found.Next())
	cancel()
	for found.Next() {
	}
	say("cancelled", code(found.Err()))
	say("goes on", rows(ctx, c, "SELECT 5"))
	must(0, c.Close(ctx))
}

func pooled(ctx context.Context) {
	pool := must(pgxpool.New(ctx, "pool_max_conns=3"))
	defer pool.Close()
	answers := make(chan string)
	for i := range 30 {
		go func() { answers <- fmt.Sprint(rows(ctx, pool, "SELECT email FROM people WHERE id = $1", 1+i%20)) }()
	}
	count := 0
	for range 30 {
		if strings.Contains(<-answers, "@") {
			count++
		}
	}
	say("pooled", count)
}

func defining(ctx context.Context, c *pgx.Conn) {
	must(c.Exec(ctx, "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TYPE pair AS (x int, m mood); CREATE TABLE typed (id int PRIMARY KEY, p pair, ms mood[])"))
	defer func() { must(c.Exec(ctx, "DROP TABLE typed; DROP TYPE pair; DROP TYPE mood")) }()
	types := must(c.LoadTypes(ctx, []string{"mood", "_mood", "pair"}))
	c.TypeMap().RegisterTypes(types)
	must(c.Exec(ctx, "INSERT INTO typed VALUES ($1, ROW(7, 'glad'), $2)", 1, []string{"sad", "glad"}))
	say("typed", rows(ctx, c, "SELECT * FROM typed"))
}

func main() {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	c, other := must(pgx.Connect(ctx, "")), must(pgx.Connect(ctx, ""))
	queries(ctx, c)
	transactions(ctx, c)
	batches(ctx, c)
	copies(ctx, c)
	listening(ctx, c, other)
	pooled(ctx)
	if !masked {
		defining(ctx, c)
	}
	cancelling(ctx)
	must(0, c.Close(ctx))
	must(0, other.Close(ctx))
}
