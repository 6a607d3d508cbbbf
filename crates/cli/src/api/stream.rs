//! Server-sent events, read line by line from a response body.

use anyhow::Context as _;

use super::wire::{Event, Sovereign};

/// One frame of the stream.
#[derive(Debug)]
pub(crate) enum Frame {
    /// Something happened.
    Event(Event),
    /// The run has ended for good; the server's last word on it.
    Done(Box<Sovereign>),
}

/// The frames of one connection; ends when the server closes it.
#[derive(Debug)]
pub(crate) struct EventStream {
    response: reqwest::Response,
    parser: Parser,
}

impl EventStream {
    pub(super) fn new(response: reqwest::Response) -> Self {
        Self { response, parser: Parser::default() }
    }

    /// The next frame, or `None` when the connection has ended.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.parser.next()? {
                return Ok(Some(frame));
            }
            match self.response.chunk().await.map_err(reqwest::Error::without_url)? {
                Some(chunk) => self.parser.feed(&chunk),
                None => return Ok(None),
            }
        }
    }
}

/// The event-stream format without I/O: bytes in, frames out.
#[derive(Debug, Default)]
struct Parser {
    buffer: Vec<u8>,
    name: String,
    data: String,
}

impl Parser {
    fn feed(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    fn next(&mut self) -> anyhow::Result<Option<Frame>> {
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                if let Some(frame) = self.dispatch()? {
                    return Ok(Some(frame));
                }
            } else if let Some(data) = line.strip_prefix("data:") {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            } else if let Some(name) = line.strip_prefix("event:") {
                self.name = name.trim().to_owned();
            }
        }
        Ok(None)
    }

    fn dispatch(&mut self) -> anyhow::Result<Option<Frame>> {
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        if data.is_empty() {
            return Ok(None);
        }
        match name.as_str() {
            "" | "message" => {
                Ok(Some(Frame::Event(serde_json::from_str(&data).context("read an event")?)))
            }
            "done" => Ok(Some(Frame::Done(serde_json::from_str(&data).context("read the end")?))),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_being_cut_anywhere() {
        let text = ": ping\n\nid: 7\ndata: {\"seq\":7,\"message\":\"a\"}\n\nevent: done\ndata: {\"id\":\"x\"}\n\n";
        for cut in 0..text.len() {
            let mut parser = Parser::default();
            let mut seen = Vec::new();
            for part in [&text[..cut], &text[cut..]] {
                parser.feed(part.as_bytes());
                while let Some(frame) = parser.next().unwrap() {
                    seen.push(match frame {
                        Frame::Event(event) => event.seq.to_string(),
                        Frame::Done(sovereign) => sovereign.id.clone(),
                    });
                }
            }
            assert_eq!(seen, ["7", "x"], "cut at {cut}");
        }
    }
}
