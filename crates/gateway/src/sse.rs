//! Cuts a stream of server-sent events into events by bytes: what arrives in pieces, with CRLF, in
//! several lines or without a blank after the colon is the same event, and its bytes stay as they
//! were.

use std::borrow::Cow;

/// The largest event that is looked into; a longer one passes unread.
pub(crate) const MAX_EVENT: usize = 1 << 20;

/// What the stream has come to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A whole event with the blank line that ends it.
    Event(Vec<u8>),
    /// Bytes of an event that is too long to be looked into.
    Unread(Vec<u8>),
}

/// A stream on its way.
#[derive(Debug, Default)]
pub(crate) struct Events {
    waiting: Vec<u8>,
    /// How far `waiting` was searched.
    searched: usize,
    /// Whether a line has just ended at `searched`.
    line_ended: bool,
    /// Whether the event that is under way passes unread.
    unread: bool,
}

impl Events {
    /// Takes in what arrived.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// The next piece that is there.
    pub(crate) fn next(&mut self) -> Option<Piece> {
        if let Some(end) = self.find_end() {
            let rest = self.waiting.split_off(end);
            let event = std::mem::replace(&mut self.waiting, rest);
            self.searched = 0;
            let unread = std::mem::take(&mut self.unread) || event.len() > MAX_EVENT;
            return Some(if unread { Piece::Unread(event) } else { Piece::Event(event) });
        }
        if self.waiting.len() > MAX_EVENT || self.unread && self.searched > 0 {
            self.unread = true;
            let rest = self.waiting.split_off(self.searched);
            let piece = std::mem::replace(&mut self.waiting, rest);
            self.searched = 0;
            return Some(Piece::Unread(piece)).filter(|piece| *piece != Piece::Unread(Vec::new()));
        }
        None
    }

    /// Just behind the blank line that ends the event, if it is there.
    fn find_end(&mut self) -> Option<usize> {
        while let Some(byte) = self.waiting.get(self.searched).copied() {
            // A CR may have its LF in the next piece: it is waited for, since it belongs here.
            let width = match byte {
                b'\n' => 1,
                b'\r' => match self.waiting.get(self.searched + 1) {
                    Some(b'\n') => 2,
                    Some(_) => 1,
                    None => return None,
                },
                _ => 0,
            };
            self.searched += width.max(1);
            let ends = width > 0 && self.line_ended;
            self.line_ended = width > 0 && !ends;
            if ends {
                return Some(self.searched);
            }
        }
        None
    }
}

/// The data of an event: its `data` lines joined by line feeds; `None` when it has none, as a
/// comment.
pub(crate) fn data(event: &[u8]) -> Option<Cow<'_, [u8]>> {
    let event = event.strip_prefix("\u{feff}".as_bytes()).unwrap_or(event);
    let mut found: Option<Cow<'_, [u8]>> = None;
    for line in event.split(|byte| matches!(byte, b'\n' | b'\r')) {
        let Some(rest) = line.strip_prefix(b"data") else { continue };
        let text = match rest.strip_prefix(b":") {
            Some(text) => text.strip_prefix(b" ").unwrap_or(text),
            None if rest.is_empty() => rest,
            None => continue,
        };
        found = Some(match found {
            None => Cow::Borrowed(text),
            Some(before) => Cow::Owned([&before, b"\n".as_slice(), text].concat()),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(pieces: &[&[u8]]) -> Vec<Piece> {
        let mut events = Events::default();
        let mut out = Vec::new();
        for piece in pieces {
            events.push(piece);
            while let Some(piece) = events.next() {
                out.push(piece);
            }
        }
        out
    }

    fn bytes(pieces: &[Piece]) -> Vec<u8> {
        let plain = |piece: &Piece| match piece {
            Piece::Event(bytes) | Piece::Unread(bytes) => bytes.clone(),
        };
        pieces.iter().flat_map(plain).collect()
    }

    #[test]
    fn every_way_to_write_an_event_is_read_the_same() {
        for text in [
            "data: {}\n\n",
            "data:{}\n\n",
            "data: {}\r\n\r\n",
            "event: x\ndata: {}\n\n",
            "data: {}\r\n\n",
            ": hello\ndata: {}\nid: 1\n\n",
            "\u{feff}data: {}\n\n",
        ] {
            let pieces = all(&[text.as_bytes()]);
            let [Piece::Event(event)] = pieces.as_slice() else { panic!("{text:?}: {pieces:?}") };
            assert_eq!(data(event).unwrap().as_ref(), b"{}", "{text:?}");
        }
        assert_eq!(data(b"data: a\ndata\ndata:b\n\n").unwrap().as_ref(), b"a\n\nb");
        assert_eq!(data(b": ping\n\n"), None);
        assert_eq!(data(b"database: no\n\n"), None);
    }

    #[test]
    fn an_event_beyond_the_limit_passes_unread_and_the_next_is_read() {
        let long = [b"data: ".as_slice(), &vec![b'x'; MAX_EVENT + 10], b"\n\n"].concat();
        let mut pieces = Vec::new();
        let mut events = Events::default();
        for part in long.chunks(64 << 10).chain([b"data: {}\n\n".as_slice()]) {
            events.push(part);
            while let Some(piece) = events.next() {
                pieces.push(piece);
            }
            assert!(events.waiting.len() <= MAX_EVENT + (64 << 10), "memory is bounded");
        }
        let Some((Piece::Event(last), before)) = pieces.split_last() else { panic!() };
        assert_eq!(last, b"data: {}\n\n");
        assert!(before.iter().all(|piece| matches!(piece, Piece::Unread(_))));
        assert_eq!(bytes(before), long);
    }

    proptest! {
        #[test]
        fn where_the_stream_is_cut_changes_nothing(
            text in "(data: ?[a-zé日]{0,6}(\n|\r\n|\r)){1,3}(\n|\r\n)",
            times in 1_usize..4, cuts in proptest::collection::vec(0_usize..200, 0..6),
        ) {
            let stream = format!("{}: end\n", text.repeat(times)).into_bytes();
            let whole = all(&[&stream]);
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut % stream.len()).collect();
            cuts.sort_unstable();
            let mut parts = Vec::new();
            let mut from = 0;
            for cut in cuts {
                parts.push(&stream[from..cut]);
                from = cut;
            }
            parts.push(&stream[from..]);
            prop_assert_eq!(&all(&parts), &whole);
            prop_assert!(stream.starts_with(&bytes(&whole)));
        }
    }
}
