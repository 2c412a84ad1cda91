# SPDX-License-Identifier: MIT OR Apache-2.0
"""Checks a trace against the definition of Perfetto's format in the package perfetto."""

import sys

from google.protobuf.unknown_fields import UnknownFieldSet
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as perfetto


def check_known(message, path):
    """Every field is in the definition, with the type that it has there."""
    unknown = [field.field_number for field in UnknownFieldSet(message)]
    assert not unknown, f"{path}: {unknown}"
    for field, value in message.ListFields():
        if field.message_type:
            many = hasattr(value, "add")
            for one in value if many else [value]:
                check_known(one, f"{path}.{field.name}")


def main():
    trace = perfetto.Trace()
    with open(sys.argv[1], "rb") as file:
        trace.ParseFromString(file.read())
    check_known(trace, "trace")
    tracks, names, notes, open_slices = {}, {}, {}, {}
    before = 0
    for packet in trace.packet:
        assert packet.trusted_packet_sequence_id == 1
        for name in packet.interned_data.event_names:
            names[name.iid] = name.name
        for name in packet.interned_data.debug_annotation_names:
            notes[name.iid] = name.name
        if packet.HasField("track_descriptor"):
            track = packet.track_descriptor
            assert track.uuid not in tracks
            assert not track.parent_uuid or track.parent_uuid in tracks
            tracks[track.uuid] = track.name or track.process.process_name
        if not packet.HasField("track_event"):
            continue
        event = packet.track_event
        assert packet.timestamp >= before, "sorted by time"
        before = packet.timestamp
        assert packet.sequence_flags == perfetto.TracePacket.SEQ_NEEDS_INCREMENTAL_STATE
        assert tracks[event.track_uuid]
        for note in event.debug_annotations:
            assert notes[note.name_iid]
        if event.type == perfetto.TrackEvent.TYPE_SLICE_BEGIN:
            assert names[event.name_iid]
            open_slices[event.track_uuid] = open_slices.get(event.track_uuid, 0) + 1
        elif event.type == perfetto.TrackEvent.TYPE_SLICE_END:
            open_slices[event.track_uuid] -= 1
            assert open_slices[event.track_uuid] >= 0
        elif event.type == perfetto.TrackEvent.TYPE_INSTANT:
            assert names[event.name_iid]
        else:
            assert event.type == perfetto.TrackEvent.TYPE_COUNTER and event.HasField("counter_value")
    assert not any(open_slices.values()), open_slices
    assert {"host functions", "idle", "timer expirations"} <= set(tracks.values())
    assert "pv_console_write" in names.values()


main()
