//! The queries, over the views of the one stream that the published tables are. The first has few groups, so that it is answered fast.

use crate::workloads::WorkloadQuery;

/// Name, what it asks, and its text.
macro_rules! queries {
    ($($name:literal: $about:literal),* $(,)?) => {
        vec![$(WorkloadQuery::new(
            $name,
            $about,
            concat!(include_str!("views.sql"), include_str!(concat!($name, ".sql"))),
            concat!(include_str!("views.sql"), include_str!(concat!($name, ".sql"))),
        )),*]
    };
}

pub(super) fn all() -> Vec<WorkloadQuery> {
    queries! {
        "q15": "bids, bidders and auctions of each day by rank of price",
        "q0": "every bid as it is",
        "q1": "every bid with its price in euros",
        "q2": "the bids on every 123rd auction",
        "q3": "who sells in category 10 from Oregon, Idaho or California",
        "q4": "the average closing price of each category",
        "q5": "the auctions with the most bids of the last 10 seconds, every 2 seconds",
        "q6": "the average price of the last 11 auctions that each seller sold, at each of them",
        "q7": "the highest bids of each 10 seconds",
        "q8": "who became a member and opened an auction in the same 10 seconds",
        "q9": "the winning bid of each auction",
        "q10": "every bid with its day and minute as text",
        "q11": "how many bids each bidder made in each session of activity",
        "q12": "how many bids each bidder made in each 10 seconds of arrival",
        "q13": "every bid with the row of a table that its auction's number leads to",
        "q14": "bids of a price with the part of the day, and the letters c in their text",
        "q16": "bids, bidders and auctions of each channel and day by rank of price",
        "q17": "bids and prices of each auction and day",
        "q18": "the last bid of each bidder on each auction",
        "q19": "the 10 highest bids of each auction",
        "q20": "every bid on an auction of category 10, with the auction",
        "q21": "every bid with its channel's number",
        "q22": "every bid with the folders of its address",
    }
}
