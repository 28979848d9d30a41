SELECT t1.a, t2.l FROM t1 FULL JOIN t2 ON t1.a = t2.l AND t1.b < 5 AND t2.m > 0
