SELECT sensor, "time", watts FROM theodolite
