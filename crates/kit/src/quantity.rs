//! Kubernetes' quantities: `500m`, `1.5`, `128Mi`.

/// A number of thousandths; nothing for what is no quantity.
pub(crate) fn thousandths(text: &str) -> Option<i64> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let scale = match &text[end..] {
        "m" => 1.0,
        "" => 1e3,
        "k" => 1e6,
        "M" => 1e9,
        "G" => 1e12,
        "T" => 1e15,
        "Ki" => 1e3 * 1024.0,
        "Mi" => 1e3 * 1024.0 * 1024.0,
        "Gi" => 1e3 * 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1e3 * 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let value = number * scale;
    #[expect(clippy::cast_possible_truncation, reason = "below 2^63 and rounded")]
    (value < 9e18).then_some(value.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_a_number_with_a_scale() {
        let read = ["500m", "2", "1.5", "128Mi", "1G", "", "4 GB", "x"].map(thousandths);
        let wanted =
            [Some(500), Some(2000), Some(1500), Some(134_217_728_000), Some(1_000_000_000_000)];
        assert_eq!(read[..5], wanted);
        assert_eq!(read[5..], [None; 3]);
    }
}
