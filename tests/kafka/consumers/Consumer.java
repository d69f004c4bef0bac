/* Reads the events of a domain from Kafka, each once: a line for each.
 *
 *   java -cp 'kafka-clients.jar:slf4j-api.jar' Consumer.java localhost:9092 shina.vehicles.events
 *
 * Where it is in each partition it would keep together with what it makes of the events; here it
 * begins at the beginning and ends at the end. SPDX-License-Identifier: Apache-2.0 */
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

public class Consumer {
    private static String attribute(ConsumerRecord<String, String> record, String name) {
        return new String(record.headers().lastHeader(name).value(), StandardCharsets.UTF_8);
    }

    public static void main(String[] arguments) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("enable.auto.commit", "false");
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(
                settings, new StringDeserializer(), new StringDeserializer())) {
            List<TopicPartition> partitions = consumer.partitionsFor(arguments[1]).stream()
                    .map(p -> new TopicPartition(p.topic(), p.partition())).toList();
            Map<Integer, Long> last = new HashMap<>(); // ce_offset of the last event of each partition
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofSeconds(1))) {
                    long offset = Long.parseLong(attribute(record, "ce_offset"));
                    if (offset <= last.getOrDefault(record.partition(), 0L)) {
                        continue; // it came before: the relay repeats after a crash
                    }
                    last.put(record.partition(), offset);
                    System.out.println(attribute(record, "ce_type") + " " + attribute(record, "ce_subject")
                            + " " + offset + " " + record.value());
                }
            }
        }
    }
}
