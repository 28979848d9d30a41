import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.concurrent.locks.LockSupport;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple4;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.legacy.SinkFunction;
import org.apache.flink.streaming.api.functions.source.legacy.SourceFunction;
import org.apache.flink.util.Collector;

/**
 * How late a running count and sum by minute and url is, in Flink's DataStream API, without a log: from the moment at which an event was to come until the
 * group that has it leaves the stream. `Freshness RATE SECONDS BUFFER_TIMEOUT_MS` prints of how many events that was measured, and p50, p99 and p99.9 in milliseconds.
 */
public final class Freshness {
    /** What comes before is Java warming up, and not measured. */
    static final long WARM_UP_SECONDS = 5;
    static final long URLS = 20_000;

    /** Of one process, whose threads have one clock. */
    static int[] late_us;
    static int measured;
    static long counted;

    public static void main(String[] args) throws Exception {
        long rate = Long.parseLong(args[0]);
        long seconds = Long.parseLong(args[1]) + WARM_UP_SECONDS;
        late_us = new int[(int) (rate * seconds)];
        StreamExecutionEnvironment flink = StreamExecutionEnvironment.createLocalEnvironment(1);
        flink.getConfig().enableObjectReuse();
        flink.setBufferTimeout(Long.parseLong(args[2]));
        flink.addSource(new Views(rate, seconds), Types.TUPLE(Types.LONG, Types.LONG, Types.LONG, Types.LONG))
                .keyBy(view -> view.f1 * 100_000 + view.f2, Types.LONG)
                .process(new Counted())
                .returns(Types.TUPLE(Types.LONG, Types.LONG))
                .addSink(new Seen(rate * WARM_UP_SECONDS));
        flink.execute();
        int[] sorted = Arrays.copyOf(late_us, measured);
        Arrays.sort(sorted);
        System.out.printf("%d %.3f %.3f %.3f%n", measured, at(sorted, 0.5), at(sorted, 0.99), at(sorted, 0.999));
        System.exit(0);
    }

    static double at(int[] sorted, double share) {
        return sorted[(int) ((sorted.length - 1) * share)] / 1e3;
    }

    /** Views on schedule: when each was to come, its minute, its url, how long it was looked at. */
    static final class Views implements SourceFunction<Tuple4<Long, Long, Long, Long>> {
        final long rate;
        final long seconds;
        volatile boolean goesOn = true;

        Views(long rate, long seconds) {
            this.rate = rate;
            this.seconds = seconds;
        }

        @Override
        public void run(SourceContext<Tuple4<Long, Long, Long, Long>> out) {
            SplittableRandom random = new SplittableRandom(1);
            Tuple4<Long, Long, Long, Long> view = new Tuple4<>();
            long began = System.nanoTime();
            for (long i = 0; goesOn && i < rate * seconds; ) {
                long due = (System.nanoTime() - began) * rate / 1_000_000_000;
                for (; i < Math.min(due, rate * seconds); i++) {
                    view.setFields(began + i * 1_000_000_000 / rate, i / rate / 60, random.nextLong(URLS), random.nextLong(100_000));
                    out.collect(view);
                }
                LockSupport.parkNanos(500_000);
            }
        }

        @Override
        public void cancel() {
            goesOn = false;
        }
    }

    /** Count and sum by key; what leaves is when the event was to come, and the group's count. */
    static final class Counted extends KeyedProcessFunction<Long, Tuple4<Long, Long, Long, Long>, Tuple2<Long, Long>> {
        transient ValueState<Tuple2<Long, Long>> group;
        transient Tuple2<Long, Long> left;

        @Override
        public void open(OpenContext context) {
            group = getRuntimeContext().getState(new ValueStateDescriptor<>("group", Types.TUPLE(Types.LONG, Types.LONG)));
            left = new Tuple2<>();
        }

        @Override
        public void processElement(Tuple4<Long, Long, Long, Long> view, Context context, Collector<Tuple2<Long, Long>> out) throws Exception {
            Tuple2<Long, Long> known = group.value();
            Tuple2<Long, Long> now = known == null ? new Tuple2<>(1L, view.f3) : new Tuple2<>(known.f0 + 1, known.f1 + view.f3);
            group.update(now);
            left.setFields(view.f0, now.f0);
            out.collect(left);
        }
    }

    static final class Seen implements SinkFunction<Tuple2<Long, Long>> {
        final long warmUp;

        Seen(long warmUp) {
            this.warmUp = warmUp;
        }

        @Override
        public void invoke(Tuple2<Long, Long> row, Context context) {
            if (++counted > warmUp) {
                late_us[measured++] = (int) Math.min((System.nanoTime() - row.f0) / 1_000, Integer.MAX_VALUE);
            }
        }
    }
}
