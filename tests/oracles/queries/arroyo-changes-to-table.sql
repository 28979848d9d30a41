SELECT id, customer_name, product_name, quantity, price, order_date / 1000000 AS order_date, status
FROM UPSERT(TABLE order_changes)
