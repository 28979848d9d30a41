SELECT auction, bidder, DECIMAL '0.908' * price AS price, date_time, extra FROM bid
