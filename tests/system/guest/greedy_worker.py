# SPDX-License-Identifier: Apache-2.0
"""
A worker that wants more than its limits allow: `memory`, `forks` or `grandchildren`; `stubborn` is
one that ignores SIGTERM. It is ready first; then SIGUSR1 lets it begin. STATUS= says what came of it.
"""

import os
import signal
import socket
import sys
import time


def notify(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(os.environ["NOTIFY_SOCKET"])
        sender.send(text.encode())


def eat_memory():
    print("greedy: wants all the memory", flush=True)
    blocks = []
    while True:
        blocks.append(bytearray(b"x" * (4 << 20)))


def sleep_for_ever():
    while True:
        time.sleep(1000)


def fork_much():
    made = 0
    try:
        while made < 2000:
            if os.fork() == 0:
                sleep_for_ever()
            made += 1
    except OSError as error:
        notify(f"STATUS=made {made}, then {os.strerror(error.errno)}")


def make_grandchildren():
    """One in a session of its own, and one of that one's that is nobody's child."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
        sleep_for_ever()
    notify("STATUS=made both")


def main():
    modes = {"memory": eat_memory, "forks": fork_much, "grandchildren": make_grandchildren, "stubborn": sleep_for_ever}
    begin = modes[sys.argv[1]]
    if sys.argv[1] == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    notify("READY=1")
    signal.sigwait({signal.SIGUSR1})
    begin()
    sleep_for_ever()


main()
