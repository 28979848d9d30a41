//! One event: what it is follows from its number alone, the rest is drawn.

use super::Nexmark;
use super::text::{channel, exactly, text};
use crate::workloads::draw::Draw;

/// Of so many events ...
const OF: u64 = 50;
/// ... so many are persons, then so many auctions; the others are bids.
const PERSONS: u64 = 1;
const AUCTIONS: u64 = 3;

const FIRST_ID: i64 = 1_000;
const FIRST_CATEGORY: i64 = 10;
const CATEGORIES: u64 = 5;
/// The first of so many auctions, and the first and second of so many persons, are hot.
const HOT_OF: u64 = 100;
/// An event goes to a hot one but in one of so many cases.
const HOT_AUCTIONS: u64 = 2;
const HOT_BIDDERS: u64 = 4;
const HOT_SELLERS: u64 = 4;
/// So many auctions are open at once, and so many persons are active.
const OPEN: u64 = 100;
const ACTIVE: u64 = 1_000;
/// Events may name ids that come so much later.
const LEAD: u64 = 10;
/// How many bytes an event has on average.
const PERSON_BYTES: usize = 200;
const AUCTION_BYTES: usize = 500;
const BID_BYTES: usize = 100;

const FIRST_NAMES: [&str; 11] = ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
const LAST_NAMES: [&str; 9] = ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];
const CITIES: [&str; 10] =
    ["Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"];
const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];

pub(super) enum Event {
    Person(Person),
    Auction(Auction),
    Bid(Bid),
}

pub(super) struct Person {
    pub id: i64,
    pub name: String,
    pub email_address: String,
    pub credit_card: String,
    pub city: &'static str,
    pub state: &'static str,
    pub extra: String,
}

pub(super) struct Auction {
    pub id: i64,
    pub item_name: String,
    pub description: String,
    pub initial_bid: i64,
    pub reserve: i64,
    pub expires_us: i64,
    pub seller: i64,
    pub category: i64,
    pub extra: String,
}

pub(super) struct Bid {
    pub auction: i64,
    pub bidder: i64,
    pub price: i64,
    pub channel: String,
    pub url: String,
    pub extra: String,
}

impl Event {
    pub fn new(number: u64, time_us: i64, nexmark: &Nexmark, draw: &mut Draw) -> Self {
        match number % OF {
            of if of < PERSONS => Event::Person(person(number, draw)),
            of if of < PERSONS + AUCTIONS => Event::Auction(auction(number, time_us, nexmark, draw)),
            _ => Event::Bid(bid(number, nexmark.seed, draw)),
        }
    }
}

/// The number of the last person up to an event, from 0.
fn last_person(event: u64) -> u64 {
    // Each round begins with its persons: of one, there is none before the last.
    const { assert!(PERSONS == 1) };
    event / OF
}

/// The number of the last auction up to an event, from 0; of the first event, that of the first.
fn last_auction(event: u64) -> u64 {
    match event % OF {
        of if of < PERSONS => (event / OF * AUCTIONS).saturating_sub(1),
        of => event / OF * AUCTIONS + (of - PERSONS).min(AUCTIONS - 1),
    }
}

fn person(number: u64, draw: &mut Draw) -> Person {
    let name = format!("{} {}", draw.pick(&FIRST_NAMES), draw.pick(&LAST_NAMES));
    let email_address = format!("{}@{}.com", text(draw, 7, ' '), text(draw, 5, ' '));
    let credit_card = (0..4).map(|_| format!("{:04}", draw.below(10_000))).collect::<Vec<_>>().join(" ");
    let (city, state) = (draw.pick(&CITIES), draw.pick(&STATES));
    let size = 8 + name.len() + email_address.len() + credit_card.len() + city.len() + state.len();
    let extra = exactly(draw, size, PERSON_BYTES);
    Person { id: FIRST_ID + last_person(number) as i64, name, email_address, credit_card, city, state, extra }
}

fn auction(number: u64, time_us: i64, nexmark: &Nexmark, draw: &mut Draw) -> Auction {
    let seller = if draw.below(HOT_SELLERS) > 0 { last_person(number) / HOT_OF * HOT_OF } else { some_person(number, draw) };
    let category = FIRST_CATEGORY + draw.below(CATEGORIES) as i64;
    let initial_bid = price(draw);
    let until_us = nexmark.time_us(number + OPEN * OF / AUCTIONS) - time_us;
    let expires_us = time_us + 1_000 + draw.below((2 * until_us / 1_000).max(1) as u64) as i64 * 1_000;
    let (item_name, description) = (text(draw, 20, ' '), text(draw, 100, ' '));
    let reserve = initial_bid + price(draw);
    let extra = exactly(draw, 8 + item_name.len() + description.len() + 5 * 8, AUCTION_BYTES);
    let (id, seller) = (FIRST_ID + last_auction(number) as i64, FIRST_ID + seller as i64);
    Auction { id, item_name, description, initial_bid, reserve, expires_us, seller, category, extra }
}

fn bid(number: u64, seed: u64, draw: &mut Draw) -> Bid {
    let last = last_auction(number);
    let auction = if draw.below(HOT_AUCTIONS) > 0 {
        last / HOT_OF * HOT_OF
    } else {
        let first = last.saturating_sub(OPEN);
        first + draw.below(last - first + 1 + LEAD)
    };
    let bidder = if draw.below(HOT_BIDDERS) > 0 { last_person(number) / HOT_OF * HOT_OF + 1 } else { some_person(number, draw) };
    let price = price(draw);
    let (channel, url) = channel(draw, seed);
    let extra = exactly(draw, 4 * 8, BID_BYTES);
    Bid { auction: FIRST_ID + auction as i64, bidder: FIRST_ID + bidder as i64, price, channel, url, extra }
}

/// An active person, or one that is yet to come.
fn some_person(event: u64, draw: &mut Draw) -> u64 {
    let people = last_person(event) + 1;
    let active = people.min(ACTIVE);
    people - active + draw.below(active + LEAD)
}

fn price(draw: &mut Draw) -> i64 {
    (10_f64.powf(draw.share() * 6.0) * 100.0).round() as i64
}
