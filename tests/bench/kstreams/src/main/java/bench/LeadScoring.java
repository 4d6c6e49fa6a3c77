package bench;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** Scores by the bare rules on the Processor API: bytes in, bytes in the store, bytes out. Told everything by its environment. */
public final class LeadScoring implements Processor<byte[], byte[], byte[], byte[]> {
    private static final String STORE = "scores";

    private final EventParser event = new EventParser();
    private final PackedState state = new PackedState(Integer.parseInt(told("IDS", "64")));
    private final ByteArrayOutputStream out = new ByteArrayOutputStream(256);
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<byte[], byte[]> store;

    @Override
    public void init(ProcessorContext<byte[], byte[]> given) {
        context = given;
        store = given.getStateStore(STORE);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        event.parse(record.value());
        double score = state.apply(store.get(record.key()), event);
        if (state.bytes == null) return;
        store.put(record.key(), state.bytes);
        if (score >= 0) context.forward(record.withValue(ready(score)));
    }

    private byte[] ready(double score) {
        out.reset();
        text("{\"contact_id\":\"");
        out.write(event.json, event.contactFrom, event.contactTo - event.contactFrom);
        text("\",\"event_id\":\"");
        out.write(event.json, event.idFrom, event.idTo - event.idFrom);
        text("\",\"at\":" + event.atMs + ",\"score\":" + score + "}");
        return out.toByteArray();
    }

    private void text(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        out.write(bytes, 0, bytes.length);
    }

    private static String told(String name, String otherwise) {
        String value = System.getenv("BENCH_" + name);
        if (value == null || value.isEmpty()) value = otherwise;
        if (value == null) throw new IllegalArgumentException("BENCH_" + name + " is not set");
        return value;
    }

    private static Properties settings() {
        Properties set = new Properties();
        set.put(StreamsConfig.APPLICATION_ID_CONFIG, told("GROUP", null));
        set.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, told("BROKERS", null));
        set.put(StreamsConfig.STATE_DIR_CONFIG, told("DIRECTORY", null));
        set.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, told("GUARANTEE", StreamsConfig.AT_LEAST_ONCE));
        set.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, told("THREADS", "1"));
        set.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        // Without this a restart would wait for the session of the member that has stopped.
        set.put(StreamsConfig.consumerPrefix("internal.leave.group.on.close"), true);
        String cacheMb = told("CACHE_MB", ""), commitMs = told("COMMIT_MS", "");  // by default what Kafka Streams comes with
        if (!cacheMb.isEmpty()) set.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, Long.parseLong(cacheMb) << 20);
        if (!commitMs.isEmpty()) set.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, commitMs);
        return set;
    }

    private static Topology topology() {
        var bytes = Serdes.ByteArray();
        var stored = Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(STORE), bytes, bytes).withCachingEnabled();
        return new Topology()
                .addSource("events", bytes.deserializer(), bytes.deserializer(), told("SOURCE", null))
                .addProcessor("score", LeadScoring::new, "events")
                .addStateStore(stored, "score")
                .addSink("ready", told("TARGET", null), bytes.serializer(), bytes.serializer(), "score");
    }

    /** Scores until SIGTERM, then closes in good order and exits with 0. */
    public static void main(String[] arguments) throws InterruptedException {
        KafkaStreams streams = new KafkaStreams(topology(), settings());
        CountDownLatch failed = new CountDownLatch(1);
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            failed.countDown();
            return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            boolean hasClosed = streams.close(new KafkaStreams.CloseOptions().timeout(Duration.ofSeconds(50)).leaveGroup(true));
            Runtime.getRuntime().halt(hasClosed && failed.getCount() > 0 ? 0 : 1);
        }));
        streams.start();
        failed.await();
        System.exit(1);
    }
}
