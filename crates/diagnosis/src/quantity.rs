//! Kubernetes' quantities, as far as scheduling shows them to people: processor time and memory.

use std::fmt;
use std::iter::Sum;
use std::ops::Sub;

use serde_json::Value;

use crate::member::list;

/// Processor time in thousandths of a core, and memory in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Thousandths of a core.
    pub milli_cpu: i64,
    /// Bytes of memory.
    pub memory: i64,
}

impl Amount {
    /// Reads the members `cpu` and `memory`; what is absent counts as none.
    pub fn read(resources: Option<&Value>) -> Self {
        let member = |name| resources.and_then(|r| r.get(name)).and_then(Value::as_str);
        Self {
            milli_cpu: member("cpu").and_then(|text| scaled(text, 1000.0)).unwrap_or(0),
            memory: member("memory").and_then(|text| scaled(text, 1.0)).unwrap_or(0),
        }
    }

    /// What a Pod's containers ask for together.
    pub(crate) fn of_pod(pod: &Value) -> Self {
        list(pod, "/spec/containers").map(|c| Self::read(c.pointer("/resources/requests"))).sum()
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |a, b| Self {
            milli_cpu: a.milli_cpu.saturating_add(b.milli_cpu),
            memory: a.memory.saturating_add(b.memory),
        })
    }
}

impl Sub for Amount {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            milli_cpu: self.milli_cpu.saturating_sub(other.milli_cpu).max(0),
            memory: self.memory.saturating_sub(other.memory).max(0),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cores, rest) = (self.milli_cpu / 1000, self.milli_cpu % 1000 / 10);
        match rest {
            0 => write!(f, "{cores} CPU")?,
            rest => write!(f, "{cores}.{rest:02} CPU")?,
        }
        write!(f, " and {} MiB", self.memory >> 20)
    }
}

/// A quantity such as `250m`, `1.5` or `2Gi`, in units of `1 / scale`.
fn scaled(text: &str, scale: f64) -> Option<i64> {
    const SUFFIXES: &[(&str, f64)] = &[
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
    ];
    let (digits, factor) = SUFFIXES
        .iter()
        .find_map(|(suffix, factor)| text.strip_suffix(suffix).map(|digits| (digits, *factor)))
        .unwrap_or((text, 1.0));
    let value = digits.parse::<f64>().ok()? * factor * scale;
    #[expect(clippy::cast_possible_truncation, reason = "a cast of floats saturates")]
    value.is_finite().then_some(value.round() as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_are_read_in_every_spelling() {
        let read = |cpu, memory| {
            let amount = Amount::read(Some(&json!({"cpu": cpu, "memory": memory})));
            (amount.milli_cpu, amount.memory)
        };
        assert_eq!(read("250m", "1Gi"), (250, 1 << 30));
        assert_eq!(read("1.5", "128974848"), (1500, 128_974_848));
        assert_eq!(read("100", "1M"), (100_000, 1_000_000));
        assert_eq!(read("x", ""), (0, 0));
    }

    #[test]
    fn an_amount_is_told_in_cores_and_mebibytes() {
        let amount = Amount { milli_cpu: 1250, memory: 3 << 30 };
        assert_eq!(amount.to_string(), "1.25 CPU and 3072 MiB");
    }
}
