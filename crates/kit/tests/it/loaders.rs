//! No text makes a loader panic, and what it says of places is true.

use catalyst_kit::archive::{Limits, unpack};
use catalyst_kit::yaml::{Node, load};
use catalyst_kit::{Variables, read_stream, split, substitute};
use proptest::prelude::*;

/// Pieces of which broken manifests are made.
const PIECES: [&str; 40] = [
    "a",
    "b: ",
    "kind: Secret",
    "apiVersion: v1",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\n    ",
    "\t",
    "---\n",
    "...\n",
    "#",
    " # x",
    "\"",
    "'",
    "|",
    ">-",
    "|2\n",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "&a ",
    "*a",
    "<<: *a",
    "!!str ",
    "!x ",
    "? ",
    "%YAML 9\n",
    "\\",
    "\r\n",
    "\u{feff}",
    "\u{0}",
    "\u{85}",
    "ä",
    "0x1f",
    "1e999",
    "${A:-b}",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(PIECES.as_slice()).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn yaml_is_read_or_refused_at_a_place_of_the_file(text in text()) {
        let loaded = load(text.as_bytes());
        let lines = u32::try_from(text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count()).unwrap();
        for fault in &loaded.faults {
            prop_assert!((1..=lines + 1).contains(&fault.line), "{fault:?}");
            prop_assert!(fault.column >= 1 && !fault.reason.is_empty(), "{fault:?}");
        }
        for doc in &loaded.documents {
            let mut wrong = None;
            doc.root.walk(&mut |node: &Node| {
                let span = node.span;
                if span.line < 1 || span.line > lines + 1 || span.column < 1 || span.end_line < span.line {
                    wrong = Some(span);
                }
            });
            prop_assert_eq!(wrong, None);
            doc.root.to_json();
        }
    }

    #[test]
    fn bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for fault in load(&bytes).faults {
            prop_assert!(fault.line >= 1);
        }
    }

    #[test]
    fn a_stream_is_cut_without_loss_and_read_without_a_panic(text in text()) {
        for document in split(&text, "x") {
            prop_assert!(document.place.line >= 1);
            prop_assert!(text.contains(document.text));
        }
        read_stream(&text, "x");
    }

    #[test]
    fn substitution_ends_and_names_a_line_of_the_text(text in text()) {
        let variables = Variables::from([("A".to_owned(), "1".to_owned())]);
        let lines = text.split('\n').count();
        if let Err(error) = substitute(&text, &variables) {
            let told = error.to_string();
            let line = told.rsplit("(line ").next().and_then(|rest| rest.split(' ').next()?.parse::<usize>().ok());
            prop_assert!(line.is_some_and(|line| (1..=lines).contains(&line)), "{told}");
        }
    }

    #[test]
    fn an_archive_never_leaves_its_folder(bytes in prop::collection::vec(any::<u8>(), 0..600), at in 0_usize..2000, with in any::<u8>()) {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("in");
        std::fs::create_dir(&folder).unwrap();
        let limits = Limits { total_bytes: 10_000, entries: 5 };
        // Noise itself, and a right archive with one wrong byte.
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, "a/b", bytes.as_slice()).unwrap();
        let mut inner = tar.into_inner().unwrap();
        if let Some(byte) = inner.get_mut(at) {
            *byte = with;
        }
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, &inner).unwrap();
        for archive in [bytes, gzip.finish().unwrap()] {
            let _ = unpack(&archive, &folder, limits);
            prop_assert_eq!(std::fs::read_dir(outer.path()).unwrap().count(), 1);
        }
    }
}
