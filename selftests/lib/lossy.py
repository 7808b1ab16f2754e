# SPDX-License-Identifier: Apache-2.0
"""A disk with a volatile write cache, for qemu: an NBD server on a Unix socket, for one client.

lossy.py IMAGE SOCKET SEED

What the guest wrote is on the disk when it has flushed, or wrote with FUA; not before. When the
client is gone without a word (its machine lost power), each sector that was written since is left as
it was, or gets any of what was written to it. Then this ends and says how much of that was lost.
"""
import os
import random
import socket
import struct
import sys

SECTOR = 512
READ, WRITE, DISC, FLUSH = range(4)
FUA = 1
HAS_FLAGS, CAN_FLUSH, CAN_FUA = 1, 4, 8
EXPORT_NAME, ABORT, INFO, GO = 1, 2, 6, 7
EINVAL = 22


class Gone(Exception):
    pass


class Disk:
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR)
        self.size = os.fstat(self.fd).st_size
        self.cache = {}  # sector -> what was written to it since it was flushed

    def sectors(self, offset, data):
        if offset % SECTOR or len(data) % SECTOR:
            raise ValueError("not whole sectors")
        for i in range(0, len(data), SECTOR):
            yield (offset + i) // SECTOR, data[i:i + SECTOR]

    def store(self, sector, data):
        os.pwrite(self.fd, data, sector * SECTOR)

    def read(self, offset, n):
        data = bytearray(os.pread(self.fd, n, offset))
        first = offset // SECTOR
        for sector in range(first, (offset + n + SECTOR - 1) // SECTOR):
            if sector in self.cache:
                at = sector * SECTOR - offset
                data[at:at + SECTOR] = self.cache[sector][-1]
        return bytes(data)

    def write(self, offset, data, fua):
        for sector, text in self.sectors(offset, data):
            if fua:
                self.cache.pop(sector, None)
                self.store(sector, text)
            else:
                self.cache.setdefault(sector, []).append(text)

    def flush(self):
        for sector, texts in self.cache.items():
            self.store(sector, texts[-1])
        self.cache.clear()

    def lose_power(self, dice):
        """The first of them may be kept more likely, the last ones, or none at all."""
        likely = dice.choice((0, 0.1, 0.5, 0.9))
        lost = 0
        for sector, texts in self.cache.items():
            if dice.random() < likely:
                self.store(sector, dice.choice(texts))
            else:
                lost += 1
        print(f"{lost} of {len(self.cache)} unflushed sectors lost", flush=True)


class Client:
    def __init__(self, sock, disk):
        self.sock = sock
        self.disk = disk

    def take(self, n):
        data = bytearray()
        while len(data) < n:
            try:
                more = self.sock.recv(n - len(data))
            except OSError:
                more = b""
            if not more:
                raise Gone
            data += more
        return bytes(data)

    def unpack(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))

    def give(self, data):
        try:
            self.sock.sendall(data)
        except OSError as e:
            raise Gone from e

    def option(self, number, kind, data=b""):
        self.give(struct.pack(">QIII", 0x3E889045565A9, number, kind, len(data)) + data)

    def shake_hands(self):
        flags = HAS_FLAGS | CAN_FLUSH | CAN_FUA
        self.give(b"NBDMAGICIHAVEOPT" + struct.pack(">H", 3))
        self.take(4)
        while True:
            _, number, n = self.unpack(">QII")
            self.take(n)
            if number == EXPORT_NAME:
                self.give(struct.pack(">QH", self.disk.size, flags))
                return
            if number in (INFO, GO):
                self.option(number, 3, struct.pack(">HQH", 0, self.disk.size, flags))
                self.option(number, 1)
                if number == GO:
                    return
            elif number == ABORT:
                self.option(number, 1)
                raise Gone
            else:
                self.option(number, 0x80000001)

    def answer(self, handle, error=0, data=b""):
        self.give(struct.pack(">IIQ", 0x67446698, error, handle) + data)

    def serve(self):
        while True:
            _, flags, kind, handle, offset, n = self.unpack(">IHHQQI")
            if kind == READ:
                self.answer(handle, data=self.disk.read(offset, n))
            elif kind == WRITE:
                self.disk.write(offset, self.take(n), flags & FUA)
                self.answer(handle)
            elif kind == FLUSH:
                self.disk.flush()
                self.answer(handle)
            elif kind == DISC:
                raise Gone
            else:
                self.answer(handle, EINVAL)


def main():
    disk = Disk(sys.argv[1])
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[2])
        listener.listen(1)
        listener.settimeout(60)
        sock = listener.accept()[0]
    sock.settimeout(None)
    client = Client(sock, disk)
    try:
        client.shake_hands()
        client.serve()
    except Gone:
        disk.lose_power(random.Random(sys.argv[3]))


main()
