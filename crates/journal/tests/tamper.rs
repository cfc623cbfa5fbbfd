//! Whoever can write to the database but does not hold the signing key cannot change what is logged unnoticed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::collections::BTreeMap;

use common::{Log, begin, end};
use querygate_journal::{Checkpoint, Place, PublicKey, Report, verify};
use querygate_record::SessionId;
use rocksdb::IteratorMode;
use uuid::Uuid;

type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

/// A closed log of two runs: two chains of batches of four entries in the first, one in the second. Returns the checkpoints as exported.
fn written() -> (Log, Vec<Checkpoint>) {
    let log = Log::new();
    let mut kept = Vec::new();
    for chains in [2, 1] {
        let journal = log.open();
        let mut chains: Vec<_> = (0..chains).map(|_| journal.chain().unwrap()).collect();
        let session = SessionId(Uuid::now_v7());
        for round in 1..=6 {
            for chain in &mut chains {
                for statement in [2 * round, 2 * round + 1] {
                    begin(chain, round as i64, session, statement, "SELECT 1");
                    chain.push(&end(round as i64, session, statement, "ok", 1));
                }
                chain.flush().unwrap();
            }
            if round == 3 {
                kept.push(journal.checkpoint().unwrap());
            }
        }
        kept.push(journal.checkpoint().unwrap());
        drop(chains);
        journal.close().unwrap();
    }
    (log, kept)
}

fn keys(log: &Log) -> Vec<PublicKey> {
    vec![log.keys().public_key()]
}

fn check(log: &Log, kept: Option<&Checkpoint>) -> Report {
    verify(log.folder(), &keys(log), kept).unwrap()
}

/// Changes the stored pairs of one part of the database.
fn change(log: &Log, part: &str, edit: impl FnOnce(&mut Pairs)) {
    let db = log.raw();
    let family = db.cf_handle(part).unwrap();
    let before: Pairs =
        db.iterator_cf(family, IteratorMode::Start).map(|p| p.unwrap()).map(|(k, v)| (k.into(), v.into())).collect();
    let mut after = before.clone();
    edit(&mut after);
    before.keys().filter(|k| !after.contains_key(*k)).for_each(|k| db.delete_cf(family, k).unwrap());
    after.iter().for_each(|(k, v)| db.put_cf(family, k, v).unwrap());
}

fn first(key: &[u8]) -> u64 {
    u64::from_be_bytes(key[16..].try_into().unwrap())
}

/// The keys of the first chain's batches, in order.
fn batches(pairs: &Pairs) -> Vec<Vec<u8>> {
    let chain = pairs.keys().next().unwrap()[..16].to_vec();
    pairs.keys().filter(|k| k.starts_with(&chain)).cloned().collect()
}

/// Makes every check value and hash of a chain anew, as a careful forger would.
fn rehash(pairs: &mut Pairs) {
    let mut previous = [0; 32];
    for key in batches(pairs) {
        let value = pairs.get_mut(&key).unwrap();
        value[1..33].copy_from_slice(&previous);
        let (mut at, mut sequence) = (33, first(&key));
        while at < value.len() {
            let length = u32::from_le_bytes(value[at..at + 4].try_into().unwrap()) as usize;
            let bytes = &value[at + 12..at + 12 + length];
            let mut hasher = blake3::Hasher::new_keyed(b"querygate log: entry, version 1.");
            hasher.update(&key[..16]).update(&sequence.to_le_bytes()).update(&previous);
            hasher.update(&(length as u64).to_le_bytes()).update(bytes);
            previous = *hasher.finalize().as_bytes();
            value[at + 4..at + 12].copy_from_slice(&previous[..8]);
            (at, sequence) = (at + 12 + length, sequence + 1);
        }
    }
}

#[track_caller]
fn names(report: &Report, wanted: u64) {
    match report.first_bad.as_ref().expect("nothing was found").place {
        Place::Entry { sequence, through, .. } => {
            assert!((sequence..=through).contains(&wanted), "entry {wanted} is not among {sequence}..={through}");
        }
        place => panic!("{place:?} was named, not entry {wanted}"),
    }
}

#[test]
fn an_untouched_log_verifies_against_every_checkpoint_of_it() {
    let (log, kept) = written();
    let report = check(&log, None);
    assert_eq!(report.first_bad, None);
    // An opening, one entry of facts, and six rounds of four for each chain.
    assert_eq!((report.entries, report.chains, report.unsigned), (3 * 26, 3, 0));
    assert!(report.checkpoints >= 4);
    for checkpoint in &kept {
        assert_eq!(check(&log, Some(checkpoint)).first_bad, None);
        assert_eq!(Checkpoint::from_json(&checkpoint.to_json()).as_ref(), Some(checkpoint));
    }
}

#[test]
fn an_edited_byte_names_its_entry() {
    let (log, _) = written();
    change(&log, "batches", |pairs| {
        let key = batches(pairs)[3].clone();
        let value = pairs.get_mut(&key).unwrap();
        // The last byte belongs to the batch's last entry.
        *value.last_mut().unwrap() ^= 1;
    });
    let report = check(&log, None);
    // Batches: 1 | 2..=6 (facts and four) | 7..=10 | 11..=14.
    assert_eq!(
        report.first_bad.as_ref().map(|b| matches!(b.place, Place::Entry { sequence: 14, through: 14, .. })),
        Some(true)
    );
}

#[test]
fn an_edit_with_its_own_check_made_anew_is_found_by_what_follows() {
    let (log, _) = written();
    change(&log, "batches", |pairs| {
        let key = batches(pairs)[3].clone();
        let untouched: Pairs = pairs.clone();
        *pairs.get_mut(&key).unwrap().last_mut().unwrap() ^= 1;
        rehash(pairs);
        // Only this batch is made anew; the rest is as it was.
        let forged = pairs[&key].clone();
        *pairs = untouched;
        pairs.insert(key, forged);
    });
    names(&check(&log, None), 14);
}

#[test]
fn an_edit_with_all_hashes_made_anew_is_found_by_the_signature() {
    let (log, _) = written();
    change(&log, "batches", |pairs| {
        let key = batches(pairs)[4].clone();
        *pairs.get_mut(&key).unwrap().last_mut().unwrap() ^= 1;
        rehash(pairs);
    });
    let report = check(&log, None);
    names(&report, 18);
    // The checkpoint in the middle vouches for what was before.
    let Place::Entry { sequence, .. } = report.first_bad.unwrap().place else { panic!() };
    assert_eq!(sequence, 15);
}

#[test]
fn a_dropped_batch_is_missed_rehashed_or_not() {
    for again in [false, true] {
        let (log, _) = written();
        change(&log, "batches", |pairs| {
            let keys = batches(pairs);
            pairs.remove(&keys[3]);
            if again {
                // Close the gap: move what follows down and make the hashes anew.
                for pair in keys[3..].windows(2) {
                    let value = pairs.remove(&pair[1]).unwrap();
                    pairs.insert(pair[0].clone(), value);
                }
                rehash(pairs);
            }
        });
        names(&check(&log, None), 11);
    }
}

#[test]
fn swapped_batches_are_noticed_rehashed_or_not() {
    for again in [false, true] {
        let (log, _) = written();
        change(&log, "batches", |pairs| {
            let keys = batches(pairs);
            // Both hold four entries.
            let (a, b) = (pairs[&keys[4]].clone(), pairs[&keys[5]].clone());
            pairs.insert(keys[4].clone(), b);
            pairs.insert(keys[5].clone(), a);
            if again {
                rehash(pairs);
            }
        });
        names(&check(&log, None), 15);
    }
}

#[test]
fn a_cut_is_noticed_as_far_as_a_checkpoint_reaches() {
    let (log, kept) = written();
    change(&log, "batches", |pairs| {
        let keys = batches(pairs);
        pairs.remove(&keys[6]);
        pairs.remove(&keys[5]);
    });
    names(&check(&log, None), 19);
    // Taking the checkpoints away as well helps only against those who kept none: the second run's first entry still names the last.
    change(&log, "checkpoints", |pairs| {
        while pairs.len() > 1 {
            pairs.pop_last();
        }
    });
    assert!(check(&log, None).first_bad.is_some());
    names(&check(&log, Some(&kept[1])), 19);
}

#[test]
fn cutting_the_whole_second_run_is_noticed_against_a_kept_checkpoint() {
    let (log, kept) = written();
    let last = kept.last().unwrap();
    change(&log, "batches", |pairs| {
        let chain = pairs.keys().last().unwrap()[..16].to_vec();
        pairs.retain(|key, _| !key.starts_with(&chain));
    });
    names(&check(&log, None), 1);
    change(&log, "checkpoints", |pairs| {
        pairs.retain(|key, _| u64::from_be_bytes(key[..].try_into().unwrap()) <= kept[1].number);
    });
    assert_eq!(check(&log, None).first_bad, None, "without a kept checkpoint nothing can tell");
    names(&check(&log, Some(last)), 1);
}

#[test]
fn a_batch_laid_over_another_is_named() {
    let (log, _) = written();
    change(&log, "batches", |pairs| {
        let keys = batches(pairs);
        let value = pairs[&keys[3]].clone();
        pairs.insert([&keys[3][..16], &(first(&keys[3]) + 1).to_be_bytes()].concat(), value);
    });
    names(&check(&log, None), 12);
}

#[test]
fn a_deleted_chain_is_missed() {
    let (log, _) = written();
    change(&log, "batches", |pairs| batches(pairs).iter().for_each(|key| drop(pairs.remove(key))));
    names(&check(&log, None), 1);
}

#[test]
fn a_forged_removed_or_reordered_checkpoint_is_named() {
    let forge: [fn(&mut Pairs); 3] = [
        |pairs| *pairs.values_mut().next().unwrap().last_mut().unwrap() ^= 1,
        |pairs| drop(pairs.pop_first()),
        |pairs| {
            let keys: Vec<_> = pairs.keys().cloned().collect();
            let (a, b) = (pairs[&keys[0]].clone(), pairs[&keys[1]].clone());
            pairs.extend([(keys[0].clone(), b), (keys[1].clone(), a)]);
        },
    ];
    for forge in forge {
        let (log, _) = written();
        change(&log, "checkpoints", forge);
        let bad = check(&log, None).first_bad.unwrap();
        assert_eq!(bad.place, Place::Checkpoint { number: 1 }, "{bad}");
    }
}

#[test]
fn a_checkpoint_signed_by_another_key_does_not_count() {
    let (log, kept) = written();
    let stranger = querygate_journal::Keys::from_bytes(&[9; 32], &[9; 32]).public_key();
    let bad = verify(log.folder(), &[stranger], kept.last()).unwrap().first_bad.unwrap();
    assert_eq!(bad.place, Place::Checkpoint { number: 1 });
}

#[test]
fn entries_after_the_last_checkpoint_are_counted_as_unsigned() {
    let log = Log::new();
    let journal = log.open();
    let mut chain = journal.chain().unwrap();
    journal.checkpoint().unwrap();
    for number in 1..=3 {
        begin(&mut chain, 1, SessionId(Uuid::nil()), number, "SELECT 1");
    }
    chain.flush().unwrap();
    let report = check(&log, None);
    assert_eq!((report.first_bad, report.unsigned, report.entries), (None, 4, 5));
    journal.checkpoint().unwrap();
    assert_eq!(check(&log, None).unsigned, 0);
}

/// Appends a well-formed entry to the first chain, as someone without the signing key can.
fn append(pairs: &mut Pairs) {
    let keys = batches(pairs);
    let last = &keys[keys.len() - 1];
    let value = pairs[last].clone();
    let (mut at, mut next) = (33, first(last));
    while at < value.len() {
        at += 12 + u32::from_le_bytes(value[at..at + 4].try_into().unwrap()) as usize;
        next += 1;
    }
    let key = [&last[..16], &next.to_be_bytes()].concat();
    pairs.insert(key, value);
    rehash(pairs);
}

#[test]
fn entries_added_to_an_ended_chain_are_named_and_a_restart_does_not_sign_them() {
    let (log, _) = written();
    change(&log, "batches", append);
    names(&check(&log, None), 27);
    let journal = log.open();
    assert_eq!(journal.warnings().len(), 1, "{:?}", journal.warnings());
    drop(journal.chain().unwrap());
    journal.close().unwrap();
    names(&check(&log, None), 27);
}

#[test]
fn a_chain_slipped_in_is_named_and_a_restart_does_not_sign_it() {
    let (log, _) = written();
    change(&log, "batches", |pairs| {
        let copies: Vec<_> =
            batches(pairs).iter().map(|key| ([&[0; 16], &key[16..]].concat(), pairs[key].clone())).collect();
        pairs.extend(copies);
        rehash(pairs);
    });
    names(&check(&log, None), 1);
    let journal = log.open();
    assert_eq!(journal.warnings().len(), 1, "{:?}", journal.warnings());
    journal.close().unwrap();
    names(&check(&log, None), 1);
}

#[test]
fn a_run_that_was_not_closed_is_signed_at_the_next_start() {
    let log = Log::new();
    let journal = log.open();
    let mut chain = journal.chain().unwrap();
    begin(&mut chain, 1, SessionId(Uuid::nil()), 1, "SELECT 1");
    chain.flush().unwrap();
    drop((chain, journal));
    assert_eq!(check(&log, None).unsigned, 2);
    let journal = log.open();
    assert!(journal.warnings().is_empty(), "{:?}", journal.warnings());
    assert_eq!(check(&log, None).unsigned, 0);
    drop(journal);
    change(&log, "batches", append);
    names(&check(&log, None), 4);
}

#[test]
fn no_edit_of_a_stored_byte_makes_a_reader_panic() {
    let (log, _) = written();
    for part in ["batches", "index", "checkpoints", "meta"] {
        for seed in 0..12_u64 {
            let mut original = Pairs::new();
            change(&log, part, |pairs| {
                original = pairs.clone();
                for (at, value) in pairs.values_mut().enumerate() {
                    let place = (seed as usize).wrapping_mul(2_654_435_761).wrapping_add(at * 97);
                    match value.len() {
                        0 => {}
                        length if seed % 3 == 0 => value.truncate(place % length),
                        length => value[place % length] ^= 1 << (seed % 8),
                    }
                }
            });
            // Any answer will do, so long as it is one.
            let _ = verify(log.folder(), &keys(&log), None);
            if let Ok(reader) = querygate_journal::Reader::open(log.folder())
                && let Ok(rows) = reader.search(&querygate_journal::Filter::default())
            {
                rows.for_each(drop);
            }
            drop(querygate_journal::Journal::open(log.folder(), querygate_journal::Options::new(log.keys())));
            change(&log, part, |pairs| *pairs = original);
        }
    }
}
