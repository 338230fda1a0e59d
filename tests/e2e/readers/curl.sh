#!/usr/bin/env bash
# Reads a stream with `curl -N`, and prints a JSON object a line for all that it is told.
#
# curl hands on what comes. To take lines apart, and to come back, when the server says and where the last event was, is
# the loop around it. It relies on what all events of this server are: one line of data, which is JSON.
export LC_ALL=C
url=$1 last='' wait=3000

# What an event has said counts when it is whole: half an event that was cut off comes again.
event() {
    last=$id
    if [ -n "$data" ]; then printf '{"type":"%s","id":"%s","data":%s}\n' "$type" "$last" "$data"; fi
}

events() {
    local id=$last type=message data='' line
    while IFS= read -r line; do
        case $line in
            '') event; type=message data='' ;;
            :*) echo '{"type":"comment"}' ;;
            'id: '*) id=${line#id: } ;;
            'event: '*) type=${line#event: } ;;
            'data: '*) data=${line#data: } ;;
            'retry: '*) wait=${line#retry: } ;;
        esac
    done
}

while true; do
    exec 3< <(curl --silent --no-buffer --include ${last:+--header "Last-Event-ID: $last"} "$url")
    read -r _ status _ <&3
    if [ "${status:-200}" != 200 ]; then exit; fi
    while IFS= read -r line <&3 && [ "$line" != $'\r' ]; do :; done
    if [ -n "$status" ]; then echo '{"type":"open"}'; fi
    events <&3
    echo '{"type":"error"}'
    sleep "$((wait / 1000)).$(printf %03d $((wait % 1000)))"
done
