//! COPY at the sizes where gateways cut corners: data larger than any buffer, in one message and in many.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use querygate_testkit::{
    Error,
    wire::{Frame, RawClient, query, tags},
};

mod shop;

use shop::{
    Shop,
    messages::{code, copy_data, copy_done, run, state, sync},
};

/// The data of a COPY to the client.
fn copied(frames: &[Frame]) -> Vec<u8> {
    frames.iter().filter(|f| f.tag == b'd').flat_map(|f| f.body.clone()).collect()
}

#[test]
fn large_data_arrives_whole_in_one_message_and_in_pieces() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let mut agent = RawClient::login(&shop.agent())?;
    let long = "x".repeat(3 << 20);
    let line = format!("70\t{long}\n71\tshort\n");
    for pieces in [1, 7, 3000] {
        agent.query("BEGIN")?;
        agent.send(&query("COPY items FROM STDIN"))?;
        agent.expect(b'G')?;
        let bytes = line.len().div_ceil(pieces);
        for start in (0..line.len()).step_by(bytes) {
            agent.send(&copy_data(line.get(start..line.len().min(start + bytes)).unwrap()))?;
        }
        agent.send(&copy_done())?;
        let answer = agent.read_until(b'Z')?;
        assert_eq!((tags(&answer).as_str(), state(&answer)), ("CZ", 'T'), "{pieces} pieces");
        let back = agent.query("COPY (SELECT id, label FROM items WHERE id IN (70, 71) ORDER BY id) TO STDOUT")?;
        assert!(copied(&back) == line.as_bytes(), "{pieces} pieces came back otherwise");
        agent.query("ROLLBACK")?;
    }
    Ok(())
}

#[test]
fn every_format_masks_the_same_values() -> Result<(), Error> {
    let shop = Shop::shared()?;
    let mut agent = RawClient::login(&shop.agent())?;
    let query = "SELECT id, email, salary, tags FROM people WHERE id IN (1, 21) ORDER BY id";
    for (options, wanted) in [
        ("", "1\tu***@e***.com\t50100.00\t{}\n21\t\\N\t\\N\t{}\n"),
        ("(FORMAT text, HEADER)", "id\temail\tsalary\ttags\n1\tu***@e***.com\t50100.00\t{}\n21\t\\N\t\\N\t{}\n"),
        ("(FORMAT csv)", "1,u***@e***.com,50100.00,{}\n21,,,{}\n"),
        ("(FORMAT csv, HEADER, DELIMITER ';')", "id;email;salary;tags\n1;u***@e***.com;50100.00;{}\n21;;;{}\n"),
        ("(FORMAT csv, FORCE_QUOTE *)", "\"1\",\"u***@e***.com\",\"50100.00\",\"{}\"\n\"21\",,,\"{}\"\n"),
    ] {
        let sql = format!("COPY ({query}) TO STDOUT {options}");
        let answer = agent.query(&sql)?;
        assert_eq!(String::from_utf8_lossy(&copied(&answer)), wanted, "{options} {}", code(&answer));
        agent.send(&[run(&sql), sync()].concat())?;
        let answer = agent.read_until(b'Z')?;
        assert_eq!(String::from_utf8_lossy(&copied(&answer)), wanted, "prepared {options} {}", code(&answer));
    }
    let binary = copied(&agent.query(&format!("COPY ({query}) TO STDOUT (FORMAT binary)"))?);
    let holds = |text: &[u8]| binary.windows(text.len()).any(|part| part == text);
    assert!(holds(b"\0\0\0\x0du***@e***.com") && !holds(b"user1@"));
    Ok(())
}
