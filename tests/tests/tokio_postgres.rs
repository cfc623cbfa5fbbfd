//! tokio-postgres through the gateway: typed binary values, pipelines, portals, COPY, notifications, cancelling.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, TryStreamExt, future, stream};
use querygate_testkit::Error;
use tokio_postgres::{AsyncMessage, NoTls, error::SqlState, types::Type};

mod shop;

use shop::Shop;

#[tokio::test]
async fn typed_values_of_every_masked_type_arrive_in_binary() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let (agent, dba, direct) =
        (shop.agent().connect().await?, shop.dba().connect().await?, shop.direct().connect().await?);
    let row = agent.query_one("SELECT * FROM people WHERE id = $1 AND name = $2", &[&1_i32, &"name 1"]).await?;
    assert_eq!(row.get::<_, &str>("email"), "u***@e***.com");
    assert_eq!(row.get::<_, &str>("ssn"), "*******3001");
    assert_eq!((row.get::<_, i32>("points"), row.get::<_, i64>("total"), row.get::<_, i16>("rank")), (0, 0, 0));
    assert_eq!((row.get::<_, f64>("ratio").to_bits(), row.get::<_, f32>("share").to_bits()), (1_f64.to_bits(), 0));
    assert!(!row.get::<_, bool>("active"));
    assert_eq!(row.get::<_, &[u8]>("photo"), b"");
    assert_eq!(row.get::<_, Vec<String>>("tags"), Vec::<String>::new());
    assert_eq!(row.get::<_, Vec<i32>>("scores"), Vec::<i32>::new());
    assert_eq!(row.get::<_, &str>("nick"), "x");
    let clear = "SELECT email, ssn, points, total, rank, ratio, share, active, photo, tags, scores, nick FROM people ORDER BY id";
    let (seen, truth) = (dba.query(clear, &[]).await?, direct.query(clear, &[]).await?);
    assert_eq!(seen.len(), 21);
    for (seen, truth) in seen.iter().zip(&truth) {
        assert_eq!(seen.get::<_, Option<String>>(0), truth.get::<_, Option<String>>(0));
        assert_eq!(seen.get::<_, Option<i64>>(3), truth.get::<_, Option<i64>>(3));
        assert_eq!(seen.get::<_, Option<Vec<u8>>>(8), truth.get::<_, Option<Vec<u8>>>(8));
        assert_eq!(seen.get::<_, Option<Vec<String>>>(9), truth.get::<_, Option<Vec<String>>>(9));
    }
    let columns = |statement: &tokio_postgres::Statement| -> Vec<(String, Type)> {
        statement.columns().iter().map(|c| (c.name().to_owned(), c.type_().clone())).collect()
    };
    let text = "SELECT * FROM people WHERE id = $1";
    assert_eq!(columns(&agent.prepare(text).await?), columns(&direct.prepare(text).await?));
    Ok(())
}

#[tokio::test]
async fn queries_sent_at_once_answer_each_to_its_own() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let agent = shop.agent().connect().await?;
    let statement = agent.prepare("SELECT id, ssn FROM people WHERE id = $1").await?;
    let all = future::join_all((0..400_i32).map(|i| {
        let (agent, statement) = (&agent, &statement);
        async move {
            if i % 50 == 49 {
                return agent.execute("DELETE FROM items", &[]).await.map(|_| (0, String::new()));
            }
            let row = agent.query_one(statement, &[&(1 + i % 20)]).await?;
            Ok((row.get(0), row.get(1)))
        }
    }))
    .await;
    for (i, answer) in (0..).zip(all) {
        match answer {
            Ok((id, ssn)) => assert_eq!((id, ssn), (1 + i % 20, format!("*******{}", 3001 + i % 20))),
            Err(error) => assert_eq!((i % 50, error.code()), (49, Some(&SqlState::INSUFFICIENT_PRIVILEGE))),
        }
    }
    Ok(())
}

#[tokio::test]
async fn portals_give_masked_rows_a_few_at_a_time() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let mut agent = shop.agent().connect().await?;
    let transaction = agent.transaction().await?;
    let portal = transaction.bind("SELECT id, email FROM people WHERE id <= $1 ORDER BY id", &[&10_i32]).await?;
    let mut seen = Vec::new();
    loop {
        let rows = transaction.query_portal(&portal, 3).await?;
        if rows.is_empty() {
            break;
        }
        assert!(rows.len() <= 3 && rows.iter().all(|row| row.get::<_, &str>(1) == "u***@e***.com"));
        seen.extend(rows.iter().map(|row| row.get::<_, i32>(0)));
    }
    assert_eq!(seen, (1..=10).collect::<Vec<_>>());
    transaction.rollback().await?;
    Ok(())
}

#[tokio::test]
async fn copy_streams_both_ways() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let mut agent = shop.agent().connect().await?;
    let transaction = agent.transaction().await?;
    let sink = transaction.copy_in("COPY items FROM STDIN").await?;
    let mut lines = stream::iter((0..30_000).map(|i| Ok(Bytes::from(format!("{}\tline {i}\n", 200_000 + i)))));
    let mut sink = std::pin::pin!(sink);
    sink.send_all(&mut lines).await?;
    assert_eq!(sink.finish().await?, 30_000);
    let out = transaction.copy_out("COPY (SELECT id, email FROM people ORDER BY id) TO STDOUT").await?;
    let text = out.try_fold(String::new(), async |all, chunk| Ok(all + &String::from_utf8_lossy(&chunk))).await?;
    assert!(text.starts_with("1\tu***@e***.com\n2\tu***@e***.com\n") && text.ends_with("21\t\\N\n"), "{text}");
    transaction.rollback().await?;
    Ok(())
}

#[tokio::test]
async fn notifications_and_notices_arrive_while_nothing_is_asked() -> Result<(), Error> {
    let shop = Shop::shared()?;
    for (target, payload) in [(shop.dba(), "order 7"), (shop.agent(), "")] {
        let (client, mut connection) = target.config().connect(NoTls).await?;
        let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
        let listening = client.batch_execute("LISTEN orders");
        let pump = async { while let Some(Ok(AsyncMessage::Notice(_))) = messages.next().await {} };
        tokio::select! { done = listening => done?, () = pump => {} }
        let other = shop.direct().connect().await?;
        other.batch_execute("NOTIFY orders, 'order 7'").await?;
        let Some(Ok(AsyncMessage::Notification(heard))) = messages.next().await else {
            return Err(Error::Unexpected("no notification".to_owned()));
        };
        // What another session says may hold what is masked: to an agent only that it spoke.
        assert_eq!((heard.channel(), heard.payload()), ("orders", payload), "{}", target.user);
    }
    Ok(())
}

#[tokio::test]
async fn a_cancel_token_cancels() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let (agent, direct) = (shop.agent().connect().await?, shop.direct().connect().await?);
    direct.batch_execute("SELECT pg_advisory_lock(91)").await?;
    let token = agent.cancel_token();
    let waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 91 AND NOT granted";
    let cancel = async {
        while direct.query(waiting, &[]).await?.is_empty() {}
        token.cancel_query(NoTls).await
    };
    let (cancelled, ran) = future::join(cancel, agent.query("SELECT pg_advisory_lock(91)", &[])).await;
    cancelled?;
    assert_eq!(ran.err().and_then(|e| e.code().cloned()), Some(SqlState::QUERY_CANCELED));
    assert_eq!(agent.query_one("SELECT 5", &[]).await?.get::<_, i32>(0), 5);
    Ok(())
}
