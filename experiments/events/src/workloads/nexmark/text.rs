//! The texts of events.

use crate::workloads::draw::Draw;

const LEAST: u64 = 3;

/// Small letters, one in thirteen of them `special`; at least three, fewer than `most`.
pub(super) fn text(draw: &mut Draw, most: u64, special: char) -> String {
    let length = LEAST + draw.below(most - LEAST);
    let letters = (0..length).map(|_| if draw.below(13) == 0 { special } else { letter(draw) });
    letters.collect::<String>().trim().to_owned()
}

/// Letters that bring an event of `size` bytes to about `wanted`, give or take a fifth.
pub(super) fn exactly(draw: &mut Draw, size: usize, wanted: usize) -> String {
    let missing = wanted.saturating_sub(size) as u64;
    let delta = (missing as f64 * 0.2).round() as u64;
    let length = missing - delta + if delta == 0 { 0 } else { draw.below(2 * delta) };
    (0..length).map(|_| letter(draw)).collect()
}

fn letter(draw: &mut Draw) -> char {
    char::from(b'a' + draw.below(26) as u8)
}

const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
const CHANNELS: u64 = 10_000;

/// A channel and its address: in half of all cases one of the hot ones, else one of ten thousand, nine in ten of which name themselves in the address.
pub(super) fn channel(draw: &mut Draw, seed: u64) -> (String, String) {
    if draw.below(2) > 0 {
        let hot = draw.below(HOT_CHANNELS.len() as u64);
        return (HOT_CHANNELS[hot as usize].to_owned(), address(&mut Draw::of(seed, u64::MAX - hot)));
    }
    let number = draw.below(CHANNELS);
    let name = (number as u32).reverse_bits().cast_signed().unsigned_abs();
    // An address is the channel's own, whichever event names it.
    let own = &mut Draw::of(seed, u64::MAX - HOT_CHANNELS.len() as u64 - number);
    let url = address(own);
    let url = if own.below(10) > 0 { format!("{url}&channel_id={name}") } else { url };
    (format!("channel-{name}"), url)
}

fn address(draw: &mut Draw) -> String {
    let parts: Vec<String> = (0..3).map(|_| text(draw, 5, '_')).collect();
    format!("https://www.nexmark.com/{}/item.htm?query=1", parts.join("/"))
}
