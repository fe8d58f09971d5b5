# SPDX-License-Identifier: Apache-2.0
"""The parts of the benchmarks' harness that decide: percentiles, verdicts, exactness of rotated logs, lost exits."""
import os
import socket
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench"))

import board  # noqa: E402
import decisions  # noqa: E402
import gossip  # noqa: E402
import grpc  # noqa: E402
import kills  # noqa: E402
import logs  # noqa: E402
import mp  # noqa: E402
import rows  # noqa: E402
import stats  # noqa: E402
from results import Results  # noqa: E402


class Stats(unittest.TestCase):
    def test_percentiles_are_measured_values(self):
        samples = [5, 1, 4, 2, 3]
        self.assertEqual(stats.median(samples), 3)
        self.assertEqual(stats.median([4, 2, 1, 3]), 3)
        self.assertEqual(stats.percentile(samples, 99), 5)
        self.assertEqual(stats.percentile(samples, 20), 1)
        self.assertEqual(stats.percentile(range(1, 201), 99), 198)

    def test_ratios_pair_the_rounds(self):
        self.assertEqual(stats.ratios([10, 30], [10, 15]), [1, 2])


class Verdicts(unittest.TestCase):
    def row(self, name, **samples):
        res = Results()
        for metric, by in samples.items():
            for who, values in by.items():
                res.add(metric.replace("_", "-"), who, *values)
        return rows.table(res, [name])[0]

    def test_nothing_measured_is_no_verdict(self):
        self.assertEqual(self.row("start-1000")["verdict"], rows.NONE)

    def test_start_is_a_ratio_to_the_floor(self):
        def verdict(ms):
            return self.row("start-1000", start_1000={"covey": [ms, ms], "floor": [10, 10]})["verdict"]
        self.assertEqual(verdict(13), rows.PASS)
        self.assertEqual(verdict(14), rows.SHORT)

    def test_death_has_two_bars(self):
        def verdict(mine):
            return self.row("death-100", death_100={"covey": mine, "floor": [2] * 100})["verdict"]
        self.assertEqual(verdict([2.6] * 100), rows.PASS)
        self.assertEqual(verdict([2.7] * 100), rows.SHORT)
        self.assertEqual(verdict([2] * 98 + [7, 7]), rows.SHORT)

    def test_logs_are_as_fast_as_cat_or_300(self):
        def verdict(mine, cat, wrong=0, late=100):
            return self.row("logs", logs={"covey": [mine], "cat": [cat]}, logs_pss={"covey": [late]},
                            logs_pss_early={"covey": [100]}, logs_wrong={"covey": [wrong]})["verdict"]
        self.assertEqual(verdict(301, 900), rows.PASS)
        self.assertEqual(verdict(250, 240), rows.PASS)
        self.assertEqual(verdict(299, 301), rows.SHORT)
        self.assertEqual(verdict(301, 900, wrong=1), rows.SHORT)
        self.assertEqual(verdict(301, 900, late=120), rows.SHORT)

    def test_one_lost_replica_is_short(self):
        def verdict(lost):
            counts = {f"kills_{k}": {"covey": [0]} for k in kills.KINDS if k != "lost"}
            return self.row("kills", kills={"covey": [9]}, kills_ends={"covey": [9]}, kills_lost={"covey": [lost]},
                            **counts)["verdict"]
        self.assertEqual(verdict(0), rows.PASS)
        self.assertEqual(verdict(1), rows.SHORT)

    def test_every_row_prints_without_figures(self):
        table = rows.table(Results(), list(rows.ROWS))
        self.assertIn("≤ 1.3", rows.text(table))
        self.assertEqual(len(rows.markdown(table).splitlines()), len(rows.ROWS) + 2)


class Flocks(unittest.TestCase):
    def row(self, name, **samples):
        res = Results()
        for metric, values in samples.items():
            res.add(metric.replace("_", "-"), "covey", *values)
        return rows.table(res, [name], gossip.ROWS)[0]["verdict"]

    def test_a_join_has_a_median_and_a_worst(self):
        self.assertEqual(self.row("join-64", join_64=[200, 300, 2000]), rows.PASS)
        self.assertEqual(self.row("join-64", join_64=[200, 301, 301]), rows.SHORT)
        self.assertEqual(self.row("join-64", join_64=[200, 300, 2001]), rows.SHORT)
        self.assertEqual(self.row("join-64"), rows.NONE)

    def test_a_lost_text_is_short(self):
        def verdict(last, lost):
            return self.row("text-64", text_64=[10] * 99 + [last], text_last_64=[last], text_lost_64=[lost])
        self.assertEqual(verdict(400, 0), rows.PASS)
        self.assertEqual(verdict(401, 0), rows.SHORT)
        self.assertEqual(verdict(400, 1), rows.SHORT)

    def test_every_row_prints_without_figures(self):
        table = rows.table(Results(), list(gossip.ROWS), gossip.ROWS)
        self.assertEqual(len(rows.markdown(table).splitlines()), len(gossip.ROWS) + 2)

    def test_msgpack_is_read_when_it_is_all_there(self):
        value = {"Seq": 300, "Error": "", "Members": [{"Name": "n" * 40, "Tags": {}, "Port": 7000, "Addr": b"x"}],
                 "a": None, "b": True, "n": -3, "long": "l" * 60000}
        raw = mp.pack(value)
        back, end = mp.unpack(raw + b"more")
        value["Members"][0]["Addr"] = "x"  # of old, text and bytes were one
        self.assertEqual((back, end), (value, len(raw)))
        for n in (0, 1, 10, len(raw) // 2, len(raw) - 1):
            with self.assertRaises(mp.Short):
                mp.unpack(raw[:n])
        self.assertEqual(mp.unpack(bytes.fromhex("83a16101a16292c40178cbbff0000000000000a163d1ff00"))[0],
                         {"a": 1, "b": [b"x", -1.0], "c": -256})


class Deciders(unittest.TestCase):
    def row(self, name, etcd=None, **samples):
        res = Results()
        for metric, values in samples.items():
            res.add(metric.replace("_", "-"), "covey", *values)
        if etcd:
            res.add(name, "etcd", *etcd)
        return rows.table(res, [name], decisions.ROWS)[0]["verdict"]

    def test_a_decision_is_compared_by_median_and_tail(self):
        theirs = [2] * 98 + [5, 5]
        self.assertEqual(self.row("decide-3", theirs, decide_3=[2] * 98 + [5, 5]), rows.PASS)
        self.assertEqual(self.row("decide-3", theirs, decide_3=[2.1] * 100), rows.SHORT)
        self.assertEqual(self.row("decide-3", theirs, decide_3=[1] * 98 + [6, 6]), rows.SHORT)
        self.assertEqual(self.row("decide-3", decide_3=[1]), rows.NONE)

    def test_many_are_to_be_twice_as_fast(self):
        self.assertEqual(self.row("rate-3", [100], rate_3=[200]), rows.PASS)
        self.assertEqual(self.row("rate-3", [100], rate_3=[199]), rows.SHORT)

    def test_an_idle_cluster_has_two_bars(self):
        self.assertEqual(self.row("idle-5", idle_cpu_5=[3], idle_bytes_5=[3072]), rows.PASS)
        self.assertEqual(self.row("idle-5", idle_cpu_5=[3.1], idle_bytes_5=[1]), rows.SHORT)
        self.assertEqual(self.row("idle-5", idle_cpu_5=[1], idle_bytes_5=[3073]), rows.SHORT)

    def test_every_row_prints_without_figures(self):
        table = rows.table(Results(), list(decisions.ROWS), decisions.ROWS)
        self.assertEqual(len(rows.markdown(table).splitlines()), len(decisions.ROWS) + 2)

    def test_a_call_that_has_no_message_was_refused(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = grpc.Grpc(listener.getsockname()[1], 10)
            peer = listener.accept()[0]
            with client.sock, peer:
                headers = client.headers("/p")
                self.assertEqual((client.ask(headers, b"m"), client.ask(headers, b"m")), (1, 3))
                said = (grpc.frame(grpc.PING, 0, 0, b"12345678") + grpc.frame(grpc.HEADERS, 4, 1, b"")
                        + grpc.frame(grpc.DATA, 0, 1, b"\0\0\0\0\5" + grpc.blob(3, b"abc"))
                        + grpc.frame(grpc.HEADERS, 5, 1, b"") + grpc.frame(grpc.HEADERS, 5, 3, b""))
                ended = []
                for at in range(0, len(said), 20):
                    peer.sendall(said[at:at + 20])
                    ended += client.read()
                self.assertEqual([(stream, message and grpc.numbers(message)) for stream, message in ended],
                                 [(1, {3: b"abc"}), (3, None)])
                self.assertIn(grpc.frame(grpc.PING, grpc.ACK, 0, b"12345678"), peer.recv(65536))
        self.assertEqual(grpc.numbers(grpc.varint(7 << 3) + grpc.varint(1 << 40)), {7: 1 << 40})


class Logs(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.paths = [os.path.join(self.dir.name, n) for n in ("b0.log.1", "b0.log")]

    def tearDown(self):
        self.dir.cleanup()

    def check(self, first, second, total=4):
        for path, text in zip(self.paths, (first, second)):
            with open(path, "wb") as f:
                f.write(text)
        return logs.check_files(self.paths, total * logs.LINE)

    @staticmethod
    def lines(*numbers):
        return b"".join(b"2026-01-02T03:04:05.678Z %012d %s\n" % (n, b"." * (logs.LINE - 14)) for n in numbers)

    def test_exact(self):
        self.assertEqual(self.check(self.lines(0, 1), self.lines(2, 3)), [])

    def test_faults(self):
        whole = self.lines(0, 1)
        self.assertTrue(self.check(whole, self.lines(3)), "a line is missing")
        self.assertTrue(self.check(whole, self.lines(1, 2, 3)), "a line is there twice")
        self.assertTrue(self.check(whole, self.lines(2)), "the last line is missing")
        self.assertTrue(self.check(whole[:-20], whole[-20:] + self.lines(2, 3)), "a line is torn across files")

    def test_too_large(self):
        self.assertEqual(self.check(b"", self.lines(0, 1, 2, 3)), [])
        small, logs.SIZE = logs.SIZE, 100
        try:
            self.assertTrue(self.check(b"", self.lines(0, 1, 2, 3)))
        finally:
            logs.SIZE = small


class Kills(unittest.TestCase):
    def test_missing_exits_are_counted(self):
        true = [(i % 100) + 1 for i in range(300)]
        self.assertEqual(kills.common(true, true), 300)
        self.assertEqual(kills.common(true, true[:150] + true[151:]), 299)
        self.assertEqual(kills.common(true, true[:-1]), 299)
        self.assertEqual(kills.common(true, []), 0)


class Layout(unittest.TestCase):
    def test_structs_have_the_sizes_of_board_h(self):
        self.assertEqual((board.SLOT.size, board.NOTE.size), (64, 32))


if __name__ == "__main__":
    unittest.main(verbosity=0)
