//! Figures as people read them: three significant digits and a unit that fits.

/// A value of a question's unit, in words: `ms`, `bytes`, `share`, `cpu_s_per_million_events`, a count, or an amount of money (`USD_per_month`).
pub fn in_words(value: f64, unit: &str) -> String {
    match unit {
        "ms" => duration(value),
        "bytes" => bytes(value),
        "share" => format!("{} %", significant(value * 100.0)),
        "cpu_s_per_million_events" => format!("{} s", significant(value)),
        "lines" | "functions" | "decisions" | "tokens" | "places" | "files" | "layers" | "answers" => format!("{value:.0}"),
        money => format!("{} {}", significant(value), money.strip_suffix("_per_month").unwrap_or(money)),
    }
}

/// From milliseconds.
pub fn duration(ms: f64) -> String {
    match ms {
        _ if ms == 0.0 => "0 ms".into(),
        _ if ms < 0.9995 => format!("{} µs", significant(ms * 1e3)),
        _ if ms < 999.5 => format!("{} ms", significant(ms)),
        _ if ms < 119_500.0 => format!("{} s", significant(ms / 1e3)),
        _ => format!("{} min", significant(ms / 6e4)),
    }
}

/// Powers of ten, as disks are sold.
pub fn bytes(bytes: f64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1e3;
        unit += 1;
    }
    format!("{} {}", significant(value), UNITS[unit])
}

/// `770×`, `1.05×`.
pub fn times(ratio: f64) -> String {
    if ratio.is_finite() { format!("{}×", significant(ratio)) } else { "any number of times".into() }
}

/// `336,776`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Three significant digits, without an exponent and without a tail of zeros after the point.
pub fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".into() } else { value.to_string() };
    }
    let decimals = |v: f64| (2 - v.abs().log10().floor() as i32).clamp(0, 9) as usize;
    // Rounding may carry into one digit more: 9.999 is 10.0.
    let rounded: f64 = format!("{value:.*}", decimals(value)).parse().unwrap_or(value);
    if rounded == 0.0 {
        return "0".into();
    }
    let text = format!("{value:.*}", decimals(rounded));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (9.999, "10"),
            (0.12345, "0.123"),
            (1234.5, "1234"),
            (99.95, "100"),
            (0.000_456_7, "0.000457"),
            (2.50, "2.5"),
        ];
        for (value, text) in cases {
            assert_eq!(significant(value), text, "{value}");
        }
    }

    #[test]
    fn units_fit() {
        assert_eq!(duration(0.25), "250 µs");
        assert_eq!(duration(0.9999), "1 ms");
        assert_eq!(duration(2412.0), "2.41 s");
        assert_eq!(duration(300_000.0), "5 min");
        assert_eq!(bytes(999_600.0), "1 MB");
        assert_eq!(bytes(12.0), "12 B");
        assert_eq!(in_words(0.0321, "share"), "3.21 %");
        assert_eq!(in_words(4.611, "USD_per_month"), "4.61 USD");
        assert_eq!(count(336_776), "336,776");
        assert_eq!(times(f64::INFINITY), "any number of times");
    }
}
