/* Kafka Streams as the peer of streams_bench.c: a million records of 200 bytes over 1,000 keys, counted
 * and summed in tumbling windows of a second, one thread, exactly once, its state in RocksDB with a
 * changelog in the broker.
 *
 *   java -cp '.tools/streams/lib/*' StreamsPeer.java SERVERS RECORDS FOLDER
 * Prints a line of JSON. SPDX-License-Identifier: Apache-2.0 */
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.IntegerSerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.TimeWindows;

public class StreamsPeer {
    static final int KEYS = 1000, PARTITIONS = 8, RECORDS_A_MS = 10;
    static final String APPLICATION = "shina-bench-streams", TOPIC = "shina-bench-measured";
    static final long BEGINS_AT = 1795400000000L;
    static final ObjectMapper JSON = new ObjectMapper();

    static void fill(String servers, long records) throws Exception {
        try (Admin admin = Admin.create(settings(servers))) {
            admin.createTopics(List.of(new NewTopic(TOPIC, PARTITIONS, (short) 1))).all().get();
        }
        Properties settings = settings(servers);
        settings.put("linger.ms", "20");
        settings.put("batch.size", "262144");
        try (KafkaProducer<Integer, byte[]> producer = new KafkaProducer<>(
                settings, new IntegerSerializer(), new ByteArraySerializer())) {
            for (long i = 0; i < records; i++) {
                int key = (int) ((i * 7919) % KEYS);
                long at = BEGINS_AT + i / RECORDS_A_MS;
                byte[] value = String.format("{\"key\":%d,\"value\":%d,\"at\":%d,\"note\":\"%s\"}", key, i % 1000, at,
                        "n".repeat(140)).getBytes(StandardCharsets.UTF_8);
                producer.send(new ProducerRecord<>(TOPIC, null, at, key, value));
            }
        }
    }

    static Properties settings(String servers) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", servers);
        return settings;
    }

    static long number(byte[] json, String name) {
        try {
            JsonNode node = JSON.readTree(json);
            return node.get(name).asLong();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    static long committed(Admin admin) throws Exception {
        return admin.listConsumerGroupOffsets(APPLICATION).partitionsToOffsetAndMetadata().get().entrySet().stream()
                .filter(e -> e.getKey().topic().equals(TOPIC) && e.getValue() != null)
                .mapToLong(e -> e.getValue().offset()).sum();
    }

    static long residentKb() throws IOException {
        return Files.readAllLines(Path.of("/proc/self/status")).stream().filter(l -> l.startsWith("VmRSS:"))
                .mapToLong(l -> Long.parseLong(l.replaceAll("[^0-9]", ""))).findFirst().orElse(0);
    }

    /** Of the broker too: all processes under the one that started it. */
    static long allCpuNs(long broker) {
        return cpuNs() + ProcessHandle.of(broker).orElseThrow().descendants()
                .mapToLong(p -> p.info().totalCpuDuration().orElse(Duration.ZERO).toNanos()).sum();
    }

    static long cpuNs() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
                .getProcessCpuTime();
    }

    public static void main(String[] arguments) throws Exception {
        String servers = arguments[0];
        long records = Long.parseLong(arguments[1]);
        fill(servers, records);

        AtomicLong seen = new AtomicLong();
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(TOPIC, Consumed.with(Serdes.Integer(), Serdes.ByteArray()))
                .groupByKey(Grouped.with(Serdes.Integer(), Serdes.ByteArray()))
                .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofSeconds(1), Duration.ofHours(1)))
                .aggregate(() -> new byte[16], (key, value, sum) -> {
                    ByteBuffer was = ByteBuffer.wrap(sum);
                    seen.incrementAndGet();
                    return ByteBuffer.allocate(16).putLong(was.getLong(0) + 1)
                            .putLong(was.getLong(8) + number(value, "value")).array();
                }, Materialized.with(Serdes.Integer(), Serdes.ByteArray()));
        Properties settings = settings(servers);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, APPLICATION);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[2]);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put("auto.offset.reset", "earliest");
        long broker = Long.parseLong(arguments[3]), all = allCpuNs(broker), cpu = cpuNs(), began = 0;
        try (KafkaStreams streams = new KafkaStreams(builder.build(), settings); Admin admin = Admin.create(settings(servers))) {
            streams.start();
            while (seen.get() == 0) {
                Thread.sleep(1); // joining the group is no work of windows
            }
            began = System.nanoTime();
            while (seen.get() < records || committed(admin) < records) {
                Thread.sleep(20);
            }
            double seconds = (System.nanoTime() - began) / 1e9;
            System.out.printf("{\"records\": %d, \"peer_per_s\": %.0f, \"peer_cpu_us\": %.2f, "
                    + "\"peer_all_cpu_us\": %.2f, \"peer_mb\": %.0f}%n", records, records / seconds,
                    (cpuNs() - cpu) / 1e3 / records, (allCpuNs(broker) - all) / 1e3 / records, residentKb() / 1024.0);
        }
    }
}
