"""BLAKE3 in plain Python, as far as WSTP needs it: chaining values of blocks, their tree, and pages of hashes.

Written from docs/protocol.md alone, sections "The hash tree" and "BLAKE3 without a special library". Slow (some hundred
KiB/s), which is enough to check an implementation against.
"""

import struct

BLOCK = 8192
CHUNK = 1024
IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
COLUMNS_THEN_DIAGONALS = (
    (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
    (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
)
MASK = 0xFFFFFFFF


def compress(cv, block, counter, length, flags):
    """One compression; gives the first eight words of its output."""
    m = struct.unpack("<16I", block)
    v = [*cv, *IV[:4], counter & MASK, counter >> 32, length, flags]
    for _ in range(7):
        for i, (a, b, c, d) in enumerate(COLUMNS_THEN_DIAGONALS):
            va, vb, vc, vd = v[a], v[b], v[c], v[d]
            va = (va + vb + m[2 * i]) & MASK
            vd ^= va
            vd = (vd >> 16 | vd << 16) & MASK
            vc = (vc + vd) & MASK
            vb ^= vc
            vb = (vb >> 12 | vb << 20) & MASK
            va = (va + vb + m[2 * i + 1]) & MASK
            vd ^= va
            vd = (vd >> 8 | vd << 24) & MASK
            vc = (vc + vd) & MASK
            vb ^= vc
            vb = (vb >> 7 | vb << 25) & MASK
            v[a], v[b], v[c], v[d] = va, vb, vc, vd
        m = [m[p] for p in PERMUTATION]
    return [v[i] ^ v[i + 8] for i in range(8)]


def chunk_cv(data, counter, root):
    """The chaining value of one chunk of at most 1,024 bytes."""
    pieces = [data[i:i + 64] for i in range(0, len(data), 64)] or [b""]
    cv = IV
    for i, piece in enumerate(pieces):
        flags = CHUNK_START if i == 0 else 0
        if i == len(pieces) - 1:
            flags |= CHUNK_END | (ROOT if root else 0)
        cv = compress(cv, piece.ljust(64, b"\0"), counter, len(piece), flags)
    return struct.pack("<8I", *cv)


def parent_cv(left, right, root):
    """The chaining value of a parent node, or the root hash."""
    return struct.pack("<8I", *compress(IV, left + right, 0, 64, PARENT | (ROOT if root else 0)))


def left_size(n):
    """The largest power of two below n > 1."""
    return 1 << ((n - 1).bit_length() - 1)


def fold(nodes, root):
    """The node above a run of neighbouring nodes that make a whole subtree."""
    if len(nodes) == 1:
        return nodes[0]
    middle = left_size(len(nodes))
    return parent_cv(fold(nodes[:middle], False), fold(nodes[middle:], False), root)


def block_hash(index, blocks, data):
    """The hash of block `index` of a file of `blocks` blocks."""
    only = blocks <= 1
    chunks = [data[i:i + CHUNK] for i in range(0, len(data), CHUNK)] or [b""]
    cvs = [chunk_cv(chunk, index * 8 + i, only and len(chunks) == 1) for i, chunk in enumerate(chunks)]
    return fold(cvs, only)


def block_count(size):
    return -(-size // BLOCK)


def level_count(blocks, level):
    """How many nodes a level has."""
    return -(-blocks // (1 << level))


def covered(blocks, level, first, count):
    """First block and end of the subtree of a page."""
    end = min(first + count, level_count(blocks, level))
    return first << level, min(end << level, blocks)


def uncles(blocks, low, high):
    """(first block, end, is on the left) of every uncle of the subtree low..high, lowest first."""
    found, start, end = [], 0, blocks
    while (start, end) != (low, high):
        middle = start + left_size(end - start)
        if low < middle:
            found.append((middle, end, False))
            end = middle
        else:
            found.append((start, middle, True))
            start = middle
    return found[::-1]


def verify_page(size, root, level, first, count, nodes, page_uncles):
    """Whether a page of hashes belongs to the file of that size and root."""
    blocks = block_count(size)
    if first >= level_count(blocks, level) or len(nodes) != min(first + count, level_count(blocks, level)) - first:
        return False
    way = uncles(blocks, *covered(blocks, level, first, count))
    if len(way) != len(page_uncles):
        return False
    node = fold(nodes, not way)
    for i, ((_, _, on_the_left), uncle) in enumerate(zip(way, page_uncles)):
        left, right = (uncle, node) if on_the_left else (node, uncle)
        node = parent_cv(left, right, i == len(way) - 1)
    return node == root
