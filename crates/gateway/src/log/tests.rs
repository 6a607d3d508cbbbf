//! What the log promises of its files, on a disk in memory.

use std::{collections::BTreeMap, io};

use super::*;
use crate::{
    fold::tests::{leased, reserved, settled},
    simulation::disk::SimDisk,
    tail::Tail,
};

const SEGMENT: u64 = 4_096;

fn replica() -> ReplicaId {
    "gateway-0".parse().unwrap()
}

fn begun(disk: &SimDisk, segment_bytes: u64) -> Log<SimDisk> {
    let recovered = recover(disk, &replica()).unwrap();
    let epoch = recovered.epoch.next();
    Log::begin(Arc::new(disk.clone()), replica(), recovered, epoch, segment_bytes).unwrap()
}

/// A log of `segments` segments, the last one half full and followed by nothing; its files and the
/// number of the last record that somebody was told of.
fn written(segments: u64) -> (BTreeMap<String, Vec<u8>>, Seq, usize) {
    let disk = SimDisk::new(1);
    let mut log = begun(&disk, SEGMENT);
    log.append(&[leased(1, 1_000_000)]).unwrap();
    let mut request = 0;
    let mut told = Seq(0);
    while log.number < segments || log.used < SEGMENT / 2 {
        request += 1;
        told = log.append(&[reserved(request, 1, 100)]).unwrap();
        if request % 5 != 0 {
            told = log.append(&[settled(request, 1, 60), Record::Nothing]).unwrap();
        }
    }
    log.append(&[Record::Nothing]).unwrap();
    (disk.copy(), told, log.fold().open().len())
}

fn recovered(files: &BTreeMap<String, Vec<u8>>) -> Result<Recovered, LogError> {
    recover(&SimDisk::of(files), &replica())
}

#[test]
fn a_flip_of_any_byte_is_refused_with_its_place_or_loses_nothing() {
    let (files, told, open) = written(3);
    assert_eq!(files.len(), 3);
    let (mut refused, mut harmless) = (0, 0);
    for name in files.keys() {
        for at in 0..files[name].len() {
            let mut flipped = files.clone();
            flipped.get_mut(name).unwrap()[at] ^= 1 << (at % 8);
            match recovered(&flipped) {
                Ok(found) => {
                    assert!(found.last >= told, "{name} byte {at} lost acknowledged records");
                    assert_eq!(found.fold.open().len(), open, "{name} byte {at}");
                    harmless += 1;
                }
                Err(LogError::Damaged { file, offset, .. }) => {
                    // A header that names the one before wrongly is found in the next segment.
                    assert!(offset <= at as u64 || file > *name, "{name} byte {at}: {offset}");
                    refused += 1;
                }
                Err(other) => panic!("{name} byte {at}: {other}"),
            }
        }
    }
    println!("{refused} flips refused, {harmless} in space nobody uses");
    // Only what is behind the last acknowledged record of the last segment is harmless.
    assert!(harmless < SEGMENT as usize && refused > 2 * SEGMENT as usize);
}

#[test]
fn a_torn_write_is_cut_off_the_last_segment_only() {
    let disk = SimDisk::new(1);
    let mut log = begun(&disk, SEGMENT);
    log.append(&[leased(1, 1_000)]).unwrap();
    let whole = log.append(&[reserved(1, 1, 100)]).unwrap();
    let end = log.used as usize;
    log.append(&[reserved(2, 1, 100), reserved(3, 1, 100)]).unwrap();
    let written = log.used as usize;
    let mut files = disk.copy();
    for length in end..written {
        let bytes = files.values_mut().next().unwrap();
        bytes.truncate(length);
        let torn = SimDisk::of(&files);
        let found = recover(&torn, &replica()).unwrap();
        assert!(found.last >= whole && !found.fold.open().is_empty(), "cut at {length}");
        let again = recover(&torn, &replica()).unwrap();
        assert_eq!((again.last, again.cut), (found.last, false), "cut twice at {length}");
    }
    let mut log = begun(&SimDisk::of(&files), SEGMENT);
    log.append(&[reserved(9, 1, 100)]).unwrap();
}

#[test]
fn a_damaged_record_before_durable_ones_is_refused_with_its_offset() {
    let disk = SimDisk::new(1);
    let mut log = begun(&disk, SEGMENT);
    log.append(&[leased(1, 1_000)]).unwrap();
    let offset = log.used;
    log.append(&[reserved(1, 1, 100)]).unwrap();
    log.append(&[Record::Nothing]).unwrap();
    let mut files = disk.copy();
    let (name, bytes) = files.iter_mut().next().unwrap();
    bytes[offset as usize + 30] ^= 4;
    let name = name.clone();
    let error = recovered(&files).unwrap_err();
    assert!(
        matches!(&error, LogError::Damaged { file, offset: at, .. } if (file, *at) == (&name, offset))
    );
    assert_eq!(error.to_string().lines().count(), 1);
    assert!(error.to_string().contains(&format!("byte {offset}")), "{error}");
}

#[test]
fn a_missing_segment_is_refused() {
    let (files, ..) = written(4);
    for gone in files.keys().skip(1).take(2) {
        let mut rest = files.clone();
        rest.remove(gone);
        let error = recovered(&rest).unwrap_err();
        assert!(matches!(&error, LogError::Missing { file } if file == gone), "{error}");
    }
}

#[test]
fn the_folder_of_another_replica_is_refused() {
    let (files, ..) = written(1);
    let other = recover(&SimDisk::of(&files), &"gateway-1".parse().unwrap());
    assert!(matches!(other, Err(LogError::OtherReplica { .. })));
}

#[test]
fn the_head_of_a_segment_stands_for_all_segments_before() {
    let (mut files, told, open) = written(3);
    let whole = recovered(&files).unwrap();
    while files.len() > 1 {
        files.pop_first();
        let rest = recovered(&files).unwrap();
        assert!(rest.last >= told);
        assert_eq!(rest.fold.open().len(), open);
        assert_eq!(rest.fold.leases().collect::<Vec<_>>(), whole.fold.leases().collect::<Vec<_>>());
    }
}

#[test]
fn after_a_failed_write_or_sync_nothing_is_written_any_more() {
    for operation in 1..=2 {
        for kind in [io::ErrorKind::Other, io::ErrorKind::StorageFull] {
            let disk = SimDisk::new(operation);
            let mut log = begun(&disk, SEGMENT);
            log.append(&[leased(1, 1_000)]).unwrap();
            let told = log.append(&[reserved(1, 1, 100)]).unwrap();
            disk.fail_after(operation, kind);
            let failed = log.append(&[reserved(2, 1, 100)]);
            assert!(matches!(failed, Err(LogError::Disk { .. })));
            let operations = disk.operations();
            for _ in 0..3 {
                assert!(matches!(log.append(&[Record::Nothing]), Err(LogError::Stopped)));
            }
            assert_eq!(disk.operations(), operations, "the disk was touched again");
            disk.crash_after(0);
            disk.restart();
            assert!(recover(&disk, &replica()).unwrap().last >= told);
        }
    }
}

#[test]
fn a_reader_behind_the_writer_sees_every_record_once_from_wherever_it_begins() {
    let disk = SimDisk::new(1);
    let mut log = begun(&disk, SEGMENT);
    let mut expected = Vec::new();
    let mut append = |log: &mut Log<SimDisk>, record| {
        let seq = log.append(&[record]).unwrap();
        expected.push((seq, record));
    };
    append(&mut log, leased(1, 1_000_000));
    for request in 1..200 {
        append(&mut log, reserved(request, 1, 100));
    }
    assert!(log.number > 3);
    let durable = log.watermark().get();
    for start in (0..durable.seq.0).step_by(7) {
        for most in [1, 3, 1_000] {
            let mut tail = Tail::new(Arc::new(disk.clone()), Seq(start));
            let mut seen = Vec::new();
            while tail.position() < durable.seq {
                seen.extend(tail.read(&durable, most).unwrap());
            }
            let wanted: Vec<_> =
                expected.iter().copied().filter(|(seq, _)| seq.0 > start).collect();
            assert_eq!(seen, wanted, "from {start} by {most}");
        }
    }
}
