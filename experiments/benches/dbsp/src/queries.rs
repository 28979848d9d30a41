//! NEXMark's queries as circuits of dbsp.
//!
//! Each is written in the same way: the inputs with what the query needs of their events, the answer, its figures, and which columns of a
//! step's events go into the inputs. An input is indexed where the query first asks for its rows by a key.

use std::path::Path;

use anyhow::Result;
use dbsp::algebra::F64;
use dbsp::circuit::CircuitConfig;
use dbsp::operator::Max;
use dbsp::utils::{Tup2, Tup3, Tup4};
use dbsp::{DBSPHandle, RootCircuit, Runtime};

use crate::events::{Events, Kind, Step};
use crate::figures::{Figures, length};

/// Reads the folder's events and gives the figures as CSV.
pub type Answer = fn(&Path) -> Result<String>;

const QUERIES: [(&str, Answer); 9] =
    [("q1", q1), ("q2", q2), ("q3", q3), ("q4", q4), ("q5", q5), ("q7", q7), ("q8", q8), ("q9", q9), ("q20", q20)];

const SECOND: i64 = 1_000_000;

pub fn find(name: &str) -> Option<Answer> {
    QUERIES.iter().find(|(known, _)| *known == name).map(|(_, answer)| *answer)
}

pub fn names() -> String {
    QUERIES.map(|(name, _)| name).join(", ")
}

/// A circuit of one worker.
fn circuit<T: Send + 'static>(build: impl FnOnce(&mut RootCircuit) -> T + Clone + Send + 'static) -> Result<(DBSPHandle, T)> {
    // A step's events are all there before it begins, with which dbsp does less.
    let config = CircuitConfig::with_workers(1).with_allow_input_during_commit(false);
    Ok(Runtime::init_circuit(config, move |circuit| Ok(build(circuit)))?)
}

/// Lets `feed` put each step's events into the circuit's inputs, and brings the answer up to date after each.
fn run(mut circuit: DBSPHandle, folder: &Path, columns: &[&str], feed: impl Fn(&Step) -> Result<()>) -> Result<()> {
    for step in Events::open(folder, columns)? {
        feed(&step?)?;
        circuit.transaction()?;
    }
    Ok(())
}

/// A row that comes once more.
fn row<R>(row: R) -> Tup2<R, i64> {
    Tup2(row, 1)
}

/// The same, where rows have keys.
fn keyed<K, V>(key: K, value: V) -> Tup2<K, Tup2<V, i64>> {
    Tup2(key, Tup2(value, 1))
}

/// Where the window of such a width begins that a time is in.
fn window(time: i64, width: i64) -> i64 {
    time.div_euclid(width) * width
}

/// Each bid in another currency.
fn q1(folder: &Path) -> Result<String> {
    let (circuit, (bid_input, figures)) = circuit(|circuit| {
        let (bids, bid_input) = circuit.add_input_zset::<Tup4<i64, i64, i64, String>>();
        // 0.908 times the price has three decimal places: it is kept in thousandths.
        let answer = bids.map(|Tup4(auction, bidder, price, extra)| Tup4(*auction, *bidder, 908 * price, extra.clone()));
        let figures = Figures::of(&answer, ["auctions", "bidders", "prices", "extra"], |Tup4(auction, bidder, price, extra), ()| {
            [*auction, *bidder, *price, length(extra)]
        });
        (bid_input, figures)
    })?;
    run(circuit, folder, &["bid_auction", "bid_bidder", "bid_price", "extra"], |step| {
        let [auction, bidder, price] = step.numbers(["bid_auction", "bid_bidder", "bid_price"])?;
        let [extra] = step.texts(["extra"])?;
        let bid = |at| Ok(row(Tup4(auction.at(at)?, bidder.at(at)?, price.at(at)?, extra.at(at)?)));
        bid_input.append(&mut step.rows(Kind::Bid, bid)?);
        Ok(())
    })?;
    figures.csv()
}

/// Bids of some auctions.
fn q2(folder: &Path) -> Result<String> {
    let (circuit, (bid_input, figures)) = circuit(|circuit| {
        let (bids, bid_input) = circuit.add_input_zset::<Tup2<i64, i64>>();
        let answer = bids.filter(|Tup2(auction, _)| auction % 123 == 0);
        let figures = Figures::of(&answer, ["auctions", "prices"], |Tup2(auction, price), ()| [*auction, *price]);
        (bid_input, figures)
    })?;
    run(circuit, folder, &["bid_auction", "bid_price"], |step| {
        let [auction, price] = step.numbers(["bid_auction", "bid_price"])?;
        let bid = |at| Ok(row(Tup2(auction.at(at)?, price.at(at)?)));
        bid_input.append(&mut step.rows(Kind::Bid, bid)?);
        Ok(())
    })?;
    figures.csv()
}

/// Persons of three states who sell in category 10.
fn q3(folder: &Path) -> Result<String> {
    let (circuit, (person_input, auction_input, figures)) = circuit(|circuit| {
        let (persons, person_input) = circuit.add_input_indexed_zset::<i64, Tup3<String, String, String>>();
        let (auctions, auction_input) = circuit.add_input_indexed_zset::<i64, Tup2<i64, i64>>();
        let persons = persons
            .filter(|(_, Tup3(_, _, state))| ["OR", "ID", "CA"].contains(&state.as_str()))
            .map_index(|(id, Tup3(name, city, _))| (*id, Tup2(name.clone(), city.clone())));
        let auctions = auctions.filter(|(_, Tup2(_, category))| *category == 10).map_index(|(seller, Tup2(id, _))| (*seller, *id));
        let answer = auctions.join(&persons, |_, id, Tup2(name, city)| Tup3(name.clone(), city.clone(), *id));
        let figures = Figures::of(&answer, ["ids", "name", "city"], |Tup3(name, city, id), ()| [*id, length(name), length(city)]);
        (person_input, auction_input, figures)
    })?;
    let columns = ["person_id", "person_name", "person_city", "person_state", "auction_id", "auction_seller", "auction_category"];
    run(circuit, folder, &columns, |step| {
        let [person, id, seller, category] = step.numbers(["person_id", "auction_id", "auction_seller", "auction_category"])?;
        let [name, city, state] = step.texts(["person_name", "person_city", "person_state"])?;
        let person = |at| Ok(keyed(person.at(at)?, Tup3(name.at(at)?, city.at(at)?, state.at(at)?)));
        let auction = |at| Ok(keyed(seller.at(at)?, Tup2(id.at(at)?, category.at(at)?)));
        person_input.append(&mut step.rows(Kind::Person, person)?);
        auction_input.append(&mut step.rows(Kind::Auction, auction)?);
        Ok(())
    })?;
    figures.csv()
}

/// The mean closing price by category.
fn q4(folder: &Path) -> Result<String> {
    let (circuit, (auction_input, bid_input, figures)) = circuit(|circuit| {
        let (auctions, auction_input) = circuit.add_input_indexed_zset::<i64, Tup3<i64, i64, i64>>();
        let (bids, bid_input) = circuit.add_input_indexed_zset::<i64, Tup2<i64, i64>>();
        let closed = auctions
            .join_index(&bids, |id, Tup3(category, opens, expires), Tup2(price, time)| {
                (opens..=expires).contains(&time).then_some((Tup2(*id, *category), *price))
            })
            // Bids only come, so that the highest follows from the highest before and need not be looked for among all.
            .chain_aggregate(|price, _| *price, |highest, price, _| highest.max(*price));
        let answer = closed
            .map_index(|(Tup2(_, category), closing)| (*category, *closing))
            .aggregate_linear_postprocess(|closing| Tup2(*closing, 1), |Tup2(sum, count)| F64::new(sum as f64 / count as f64));
        let figures =
            Figures::of(&answer, ["categories", "averages"], |category, average| [*category, average.into_inner().floor() as i64]);
        (auction_input, bid_input, figures)
    })?;
    let columns = ["auction_id", "auction_category", "date_time", "auction_expires", "bid_auction", "bid_price"];
    run(circuit, folder, &columns, |step| {
        let [id, category, auction, price] = step.numbers(["auction_id", "auction_category", "bid_auction", "bid_price"])?;
        let [time, expires] = step.times(["date_time", "auction_expires"])?;
        let opened = |at| Ok(keyed(id.at(at)?, Tup3(category.at(at)?, time.at(at)?, expires.at(at)?)));
        let bid = |at| Ok(keyed(auction.at(at)?, Tup2(price.at(at)?, time.at(at)?)));
        auction_input.append(&mut step.rows(Kind::Auction, opened)?);
        bid_input.append(&mut step.rows(Kind::Bid, bid)?);
        Ok(())
    })?;
    figures.csv()
}

/// The auctions with most bids, by hopping window.
fn q5(folder: &Path) -> Result<String> {
    let (circuit, (bid_input, figures)) = circuit(|circuit| {
        let (bids, bid_input) = circuit.add_input_zset::<Tup2<i64, i64>>();
        let counted = bids
            .flat_map(|Tup2(auction, time)| {
                let (auction, last) = (*auction, window(*time, 2 * SECOND));
                (0..5).map(move |hop| Tup2(last - hop * 2 * SECOND, auction))
            })
            .weighted_count();
        let most = counted.map_index(|(Tup2(start, _), bids)| (*start, *bids)).aggregate(Max);
        // No auction has more bids than the most, so that `>=` is `=`, which a join can look up.
        let answer = counted
            .map_index(|(Tup2(start, auction), bids)| (Tup2(*start, *bids), *auction))
            .join(&most.map_index(|(start, bids)| (Tup2(*start, *bids), ())), |Tup2(start, bids), auction, ()| {
                Tup3(*start, *auction, *bids)
            });
        let figures = Figures::of(&answer, ["auctions", "bids"], |Tup3(_, auction, bids), ()| [*auction, *bids]);
        (bid_input, figures)
    })?;
    run(circuit, folder, &["bid_auction", "date_time"], |step| {
        let [auction] = step.numbers(["bid_auction"])?;
        let [time] = step.times(["date_time"])?;
        let bid = |at| Ok(row(Tup2(auction.at(at)?, time.at(at)?)));
        bid_input.append(&mut step.rows(Kind::Bid, bid)?);
        Ok(())
    })?;
    figures.csv()
}

/// The highest bids of each window.
fn q7(folder: &Path) -> Result<String> {
    let (circuit, (bid_input, figures)) = circuit(|circuit| {
        let (bids, bid_input) = circuit.add_input_indexed_zset::<i64, Tup4<i64, i64, i64, String>>();
        let highest = bids
            .map_index(|(price, Tup4(_, _, time, _))| (window(*time, 10 * SECOND) + 10 * SECOND, *price))
            // Bids only come, so that the highest follows from the highest before and need not be looked for among all.
            .chain_aggregate(|price, _| *price, |highest, price, _| highest.max(*price));
        let answer =
            highest.map_index(|(end, price)| (*price, *end)).join_flatmap(&bids, |price, end, Tup4(auction, bidder, time, extra)| {
                (end - 10 * SECOND..=*end).contains(time).then(|| Tup4(*auction, *price, *bidder, extra.clone()))
            });
        let figures = Figures::of(&answer, ["auctions", "bidders", "prices", "extra"], |Tup4(auction, price, bidder, extra), ()| {
            [*auction, *bidder, *price, length(extra)]
        });
        (bid_input, figures)
    })?;
    run(circuit, folder, &["bid_auction", "bid_bidder", "bid_price", "date_time", "extra"], |step| {
        let [auction, bidder, price] = step.numbers(["bid_auction", "bid_bidder", "bid_price"])?;
        let [time] = step.times(["date_time"])?;
        let [extra] = step.texts(["extra"])?;
        let bid = |at| Ok(keyed(price.at(at)?, Tup4(auction.at(at)?, bidder.at(at)?, time.at(at)?, extra.at(at)?)));
        bid_input.append(&mut step.rows(Kind::Bid, bid)?);
        Ok(())
    })?;
    figures.csv()
}

/// Persons who opened an auction in the window in which they came.
fn q8(folder: &Path) -> Result<String> {
    let (circuit, (person_input, auction_input, figures)) = circuit(|circuit| {
        let (persons, person_input) = circuit.add_input_zset::<Tup3<i64, String, i64>>();
        let (auctions, auction_input) = circuit.add_input_zset::<Tup2<i64, i64>>();
        let persons = persons.map_index(|Tup3(id, name, time)| (Tup2(*id, window(*time, 10 * SECOND)), name.clone())).distinct();
        let sellers = auctions.map_index(|Tup2(seller, time)| (Tup2(*seller, window(*time, 10 * SECOND)), ())).distinct();
        let answer = persons.join(&sellers, |Tup2(id, start), name, ()| Tup3(*id, name.clone(), *start));
        let figures = Figures::of(&answer, ["ids", "name"], |Tup3(id, name, _), ()| [*id, length(name)]);
        (person_input, auction_input, figures)
    })?;
    run(circuit, folder, &["person_id", "person_name", "auction_seller", "date_time"], |step| {
        let [id, seller] = step.numbers(["person_id", "auction_seller"])?;
        let [name] = step.texts(["person_name"])?;
        let [time] = step.times(["date_time"])?;
        let person = |at| Ok(row(Tup3(id.at(at)?, name.at(at)?, time.at(at)?)));
        let auction = |at| Ok(row(Tup2(seller.at(at)?, time.at(at)?)));
        person_input.append(&mut step.rows(Kind::Person, person)?);
        auction_input.append(&mut step.rows(Kind::Auction, auction)?);
        Ok(())
    })?;
    figures.csv()
}

/// The winning bid of each auction.
fn q9(folder: &Path) -> Result<String> {
    let (circuit, (auction_input, bid_input, figures)) = circuit(|circuit| {
        let (auctions, auction_input) = circuit.add_input_indexed_zset::<i64, Tup3<String, i64, i64>>();
        let (bids, bid_input) = circuit.add_input_indexed_zset::<i64, Tup2<i64, i64>>();
        // The greatest is the one of the highest price, and of those the first, as the time is negated.
        let answer = auctions
            .join_index(&bids, |id, Tup3(item, opens, expires), Tup2(price, time)| {
                (opens..=expires).contains(&time).then(|| (*id, Tup3(*price, -time, item.clone())))
            })
            // Bids only come, so that the first place follows from the first before and need not be looked for among all.
            .chain_aggregate(|bid, _| bid.clone(), |first, bid, _| if *bid > first { bid.clone() } else { first });
        let figures = Figures::of(&answer, ["ids", "prices", "item_name"], |id, Tup3(price, _, item)| [*id, *price, length(item)]);
        (auction_input, bid_input, figures)
    })?;
    let columns = ["auction_id", "auction_item_name", "date_time", "auction_expires", "bid_auction", "bid_price"];
    run(circuit, folder, &columns, |step| {
        let [id, auction, price] = step.numbers(["auction_id", "bid_auction", "bid_price"])?;
        let [item] = step.texts(["auction_item_name"])?;
        let [time, expires] = step.times(["date_time", "auction_expires"])?;
        let opened = |at| Ok(keyed(id.at(at)?, Tup3(item.at(at)?, time.at(at)?, expires.at(at)?)));
        let bid = |at| Ok(keyed(auction.at(at)?, Tup2(price.at(at)?, time.at(at)?)));
        auction_input.append(&mut step.rows(Kind::Auction, opened)?);
        bid_input.append(&mut step.rows(Kind::Bid, bid)?);
        Ok(())
    })?;
    figures.csv()
}

/// Bids joined with the auctions of category 10.
fn q20(folder: &Path) -> Result<String> {
    let (circuit, (auction_input, bid_input, figures)) = circuit(|circuit| {
        let (auctions, auction_input) = circuit.add_input_indexed_zset::<i64, i64>();
        let (bids, bid_input) = circuit.add_input_indexed_zset::<i64, Tup3<i64, i64, String>>();
        let auctions = auctions.filter(|(_, category)| *category == 10);
        let answer = bids.join(&auctions, |auction, Tup3(bidder, price, url), _| Tup4(*auction, *bidder, *price, url.clone()));
        let figures = Figures::of(&answer, ["auctions", "bidders", "prices", "url"], |Tup4(auction, bidder, price, url), ()| {
            [*auction, *bidder, *price, length(url)]
        });
        (auction_input, bid_input, figures)
    })?;
    run(circuit, folder, &["auction_id", "auction_category", "bid_auction", "bid_bidder", "bid_price", "bid_url"], |step| {
        let [id, category] = step.numbers(["auction_id", "auction_category"])?;
        let [auction, bidder, price] = step.numbers(["bid_auction", "bid_bidder", "bid_price"])?;
        let [url] = step.texts(["bid_url"])?;
        let opened = |at| Ok(keyed(id.at(at)?, category.at(at)?));
        let bid = |at| Ok(keyed(auction.at(at)?, Tup3(bidder.at(at)?, price.at(at)?, url.at(at)?)));
        auction_input.append(&mut step.rows(Kind::Auction, opened)?);
        bid_input.append(&mut step.rows(Kind::Bid, bid)?);
        Ok(())
    })?;
    figures.csv()
}
