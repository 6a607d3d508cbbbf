//! Facts about keeping and reading records.

use std::os::unix::fs::PermissionsExt;

use catalyst_model::{CreateSpec, Level, Placement, Problem, Provider, SecretHash};
use catalyst_testkit::disk::{fill, small_disk};
use jiff::Timestamp;

use super::*;

fn created(id: &DeploymentId) -> Recorded<DeploymentEvent> {
    let time = Timestamp::from_second(1_700_000_000).unwrap();
    let event = DeploymentEvent::Created {
        id: id.clone(),
        spec: CreateSpec {
            provider: Provider::Sandbox,
            name: "sov1".parse().unwrap(),
            fqdn: "sov1.example.org".parse().unwrap(),
            org_name: "E".into(),
            org_email: "a@b.c".parse().unwrap(),
            region: "local".into(),
        },
        placement: Placement {
            sandbox_index: 0,
            network_prefix: "10.210.0".into(),
            expected_api: "https://10.210.0.2:6443".into(),
        },
        bearer_hash: SecretHash("00".into()),
        bearer_expires_at: time,
        idempotency: None,
        by: None,
    };
    Recorded { seq: Seq(1), time, event }
}

fn note(seq: u64) -> Recorded<DeploymentEvent> {
    Recorded {
        seq: Seq(seq),
        time: Timestamp::from_second(1_700_000_000 + seq as i64).unwrap(),
        event: DeploymentEvent::Noted { level: Level::Info, message: format!("note {seq}") },
    }
}

fn size_of(dir: &Path, id: &DeploymentId) -> u64 {
    fs::metadata(log::path_of(dir, id)).unwrap().len()
}

async fn open(dir: &Path) -> (Records, Vec<Kept>, Vec<Damaged>) {
    Records::open(dir.to_owned()).await.unwrap()
}

/// Makes a record of `n` events and returns its log's path.
async fn filled(dir: &Path, id: &DeploymentId, n: u64) -> PathBuf {
    let (records, _, _) = open(dir).await;
    let mut log = records.begin(id.clone(), created(id)).await.unwrap();
    for seq in 2..=n {
        log.append(vec![note(seq)]).await.unwrap();
    }
    log::path_of(dir, id)
}

#[tokio::test]
async fn c1_what_was_begun_is_there_after_a_restart() {
    let tmp = tempfile::tempdir().unwrap();
    let id = DeploymentId::from_random([1; 8]);
    let path = filled(tmp.path(), &id, 5).await;
    let (_records, kept, damaged) = open(tmp.path()).await;
    assert_eq!((kept.len(), damaged.len()), (1, 0));
    assert_eq!(kept[0].deployment.seq, Seq(5));
    let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(tmp.path())), (0o600, 0o700));
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let (records, _, _) = open(tmp.path()).await;
    let second = Records::open(tmp.path().to_owned()).await;
    assert!(matches!(second, Err(Error::Locked { .. })), "{second:?}");
    drop(records);
    open(tmp.path()).await;
}

#[tokio::test]
async fn a_torn_tail_of_any_length_loses_only_the_unfinished_append() {
    let tmp = tempfile::tempdir().unwrap();
    let id = DeploymentId::from_random([2; 8]);
    let path = filled(tmp.path(), &id, 4).await;
    let whole = fs::read(&path).unwrap();
    let last_frame = frame::encode(&[note(4)]).unwrap().len();
    for cut in 1..last_frame {
        fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        let (_records, mut kept, _) = open(tmp.path()).await;
        assert_eq!(kept[0].deployment.seq, Seq(3), "cut {cut}");
        assert_eq!(kept[0].torn_bytes, (last_frame - cut) as u64);
        kept[0].log.append(vec![note(4)]).await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole, "cut {cut}");
    }
}

#[tokio::test]
async fn zeros_after_the_last_frame_are_a_torn_tail_too() {
    let tmp = tempfile::tempdir().unwrap();
    let id = DeploymentId::from_random([3; 8]);
    let path = filled(tmp.path(), &id, 3).await;
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend([0; 300]);
    fs::write(&path, bytes).unwrap();
    let (_records, kept, _) = open(tmp.path()).await;
    assert_eq!((kept[0].deployment.seq, kept[0].torn_bytes), (Seq(3), 300));
}

#[tokio::test]
async fn damage_in_the_middle_is_reported_and_spares_the_others() {
    let tmp = tempfile::tempdir().unwrap();
    let (bad, good) = (DeploymentId::from_random([4; 8]), DeploymentId::from_random([5; 8]));
    let path = filled(tmp.path(), &bad, 6).await;
    filled(tmp.path(), &good, 2).await;
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&path, &bytes).unwrap();
    let (_records, kept, damaged) = open(tmp.path()).await;
    assert_eq!((kept.len(), damaged.len()), (1, 1));
    assert_eq!((&kept[0].deployment.id, &damaged[0].id), (&good, &bad));
    assert_eq!(fs::read(&path).unwrap(), bytes, "a damaged record is left as it is");
}

#[tokio::test]
async fn a_damaged_record_still_says_what_it_holds() {
    let tmp = tempfile::tempdir().unwrap();
    let id = DeploymentId::from_random([10; 8]);
    let path = filled(tmp.path(), &id, 6).await;
    let mut bytes = fs::read(&path).unwrap();
    let second = frame::encode(&[created(&id)]).unwrap().len();
    bytes[second + 20] ^= 0xff;
    fs::write(&path, &bytes).unwrap();
    let (records, _, damaged) = open(tmp.path()).await;
    assert_eq!(damaged[0].last_known.as_ref().unwrap().seq, Seq(1), "from its first event");
    drop(records);
    let state = Deployment::open(&created(&id)).unwrap();
    checkpoint::write(tmp.path(), state, bytes.len() as u64 + 1).unwrap();
    bytes[20] ^= 0xff;
    fs::write(&path, &bytes).unwrap();
    let (_records, _, damaged) = open(tmp.path()).await;
    assert_eq!(damaged[0].last_known.as_ref().unwrap().id, id, "from its checkpoint");
}

#[tokio::test]
async fn only_the_tail_after_the_checkpoint_is_folded_and_a_wrong_one_is_ignored() {
    let tmp = tempfile::tempdir().unwrap();
    let id = DeploymentId::from_random([6; 8]);
    let path = filled(tmp.path(), &id, 3).await;
    let (records, mut kept, _) = open(tmp.path()).await;
    let one = &mut kept[0];
    one.log.checkpoint(one.deployment.clone()).await.unwrap();
    one.log.append(vec![note(4), note(5)]).await.unwrap();
    drop((records, kept));
    // With the log's beginning unreadable, only the checkpoint can have given the first events.
    let mut bytes = fs::read(&path).unwrap();
    let original = bytes.clone();
    bytes[20] ^= 0xff;
    fs::write(&path, &bytes).unwrap();
    let (records, kept, _) = open(tmp.path()).await;
    assert_eq!(kept[0].deployment.seq, Seq(5));
    drop((records, kept));
    fs::write(&path, &original).unwrap();
    fs::write(checkpoint::path_of(tmp.path(), &id), "{ not json").unwrap();
    let (_records, kept, _) = open(tmp.path()).await;
    assert_eq!(kept[0].deployment.seq, Seq(5));
}

#[tokio::test]
async fn any_suffix_is_read_without_a_gap() {
    let tmp = tempfile::tempdir().unwrap();
    let id = DeploymentId::from_random([8; 8]);
    let (records, _, _) = open(tmp.path()).await;
    let mut log = records.begin(id.clone(), created(&id)).await.unwrap();
    log.append(vec![note(2), note(3), note(4)]).await.unwrap();
    log.append(vec![note(5)]).await.unwrap();
    log.append(vec![note(6), note(7)]).await.unwrap();
    let reader = log.reader();
    for after in 0..=7 {
        for until in after..=7 {
            let got = reader.between(Seq(after), Seq(until)).await.unwrap();
            let seqs: Vec<u64> = got.iter().map(|e| e.seq.0).collect();
            assert_eq!(seqs, (after + 1..=until).collect::<Vec<_>>(), "{after}..{until}");
        }
    }
    assert!(reader.between(Seq(0), Seq(8)).await.is_err());
}

#[tokio::test]
async fn an_event_that_does_not_follow_is_not_written() {
    let tmp = tempfile::tempdir().unwrap();
    let id = DeploymentId::from_random([9; 8]);
    let (records, _, _) = open(tmp.path()).await;
    let mut log = records.begin(id.clone(), created(&id)).await.unwrap();
    let size = size_of(tmp.path(), &id);
    assert!(log.append(vec![note(3)]).await.is_err());
    assert!(log.append(vec![note(2), note(4)]).await.is_err());
    assert_eq!(size_of(tmp.path(), &id), size);
    log.append(vec![note(2)]).await.unwrap();
}

#[tokio::test]
async fn foreign_files_are_not_records() {
    let tmp = tempfile::tempdir().unwrap();
    fs::write(tmp.path().join("notes.log"), "x").unwrap();
    fs::write(tmp.path().join("..log"), "x").unwrap();
    fs::create_dir(tmp.path().join("dir")).unwrap();
    let (_records, kept, damaged) = open(tmp.path()).await;
    assert_eq!((kept.len(), damaged.len()), (0, 0));
}

#[tokio::test]
async fn an_append_that_does_not_fit_is_undone_and_works_once_there_is_room() {
    let name = "records::tests::an_append_that_does_not_fit_is_undone_and_works_once_there_is_room";
    let Some(disk) = small_disk(name, 256) else { return };
    let dir = disk.join("records");
    let (id, other) = (DeploymentId::from_random([11; 8]), DeploymentId::from_random([12; 8]));
    let (records, _, _) = open(&dir).await;
    let mut log = records.begin(id.clone(), created(&id)).await.unwrap();
    let filled = fill(&disk).unwrap();
    let mut seq = 2;
    // A page that was begun takes a few more.
    let error = loop {
        match log.append(vec![note(seq)]).await {
            Ok(()) => seq += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.trouble().problem, &Problem::STORE_FULL);
    let size = size_of(&dir, &id);
    assert!(log.append(vec![note(seq), note(seq + 1)]).await.is_err());
    assert_eq!(size_of(&dir, &id), size, "nothing half-written");
    assert_eq!(log.reader().between(Seq(0), Seq(seq - 1)).await.unwrap().len() as u64, seq - 1);
    let begun = records.begin(other.clone(), created(&other)).await.unwrap_err();
    assert_eq!(begun.trouble().problem, &Problem::STORE_FULL);
    fs::remove_file(filled).unwrap();
    log.append(vec![note(seq)]).await.unwrap();
    drop((records, log));
    let (_records, kept, damaged) = open(&dir).await;
    assert_eq!((kept.len(), damaged.len()), (1, 0), "the record that did not fit is not there");
    assert_eq!((kept[0].deployment.seq, kept[0].torn_bytes), (Seq(seq), 0));
}
