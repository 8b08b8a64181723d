/* Digests of many pieces of bytes at once: each lane of a vector register has a piece of its own. And BLAKE2b of one long stream.
 *
 * The digest of one piece is a chain of steps that wait for each other, and leaves most of a CPU idle. Here 16 pieces (MD5, SHA1)
 * or 8 pieces (BLAKE2b, SHA512) go through the same steps together. This module only computes: it reads no file, decides
 * nothing, and portage_ext.model.digest does the same with hashlib where it is missing.
 *
 * RFC 1321 (MD5), FIPS 180-4 (SHA1, SHA512), RFC 7693 (BLAKE2b). Vectors are those of GCC and clang, for any CPU; on x86-64 the
 * functions are compiled once for each level of instructions, and the best level of the running CPU is taken.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WIDE 16 /* lanes of 32 bits */
#define LONG 8  /* lanes of 64 bits */
typedef uint32_t v32 __attribute__((vector_size(4 * WIDE)));
typedef uint64_t v64 __attribute__((vector_size(8 * LONG)));

#define INLINE static inline __attribute__((always_inline))
#define ROL(x, n) (((x) << (n)) | ((x) >> (32 - (n))))
#define ROR(x, n) (((x) >> (n)) | ((x) << (64 - (n))))
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LITTLE32(x) (x)
#define LITTLE64(x) (x)
#define BIG32(x) __builtin_bswap32(x)
#define BIG64(x) __builtin_bswap64(x)
#else
#define LITTLE32(x) __builtin_bswap32(x)
#define LITTLE64(x) __builtin_bswap64(x)
#define BIG32(x) (x)
#define BIG64(x) (x)
#endif

/* Lanes: where its next block is, how many bytes it goes on for each block (0: an idle lane), and its state in a column. */
typedef struct {
    const uint8_t *at[WIDE];
    size_t step[WIDE];
    uint64_t count[LONG]; /* BLAKE2b: bytes so far */
    uint64_t last[LONG];  /* BLAKE2b: all ones for the last block */
    union {
        v32 w[8];
        v64 l[8];
    } state;
} lanes;

static const uint32_t MD5_K[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501, 0x698098d8, 0x8b44f7af,
    0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa,
    0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8,
    0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244, 0x432aff97,
    0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1,
    0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

static const uint64_t SHA512_K[80] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc, 0x3956c25bf348b538, 0x59f111f1b605d019,
    0x923f82a4af194f9b, 0xab1c5ed5da6d8118, 0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694, 0xe49b69c19ef14ad2, 0xefbe4786384f25e3,
    0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65, 0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
    0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4, 0xc6e00bf33da88fc2, 0xd5a79147930aa725,
    0x06ca6351e003826f, 0x142929670a0e6e70, 0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
    0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b, 0xa2bfe8a14cf10364, 0xa81a664bbc423001,
    0xc24b8b70d0f89791, 0xc76c51a30654be30, 0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8, 0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb,
    0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3, 0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b, 0xca273eceea26619c, 0xd186b8c721c0c207,
    0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178, 0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
    0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c, 0x4cc5d4becb3e42b6, 0x597f299cfc657e2a,
    0x5fcb6fab3ad6faec, 0x6c44198c4a475817};

static const uint64_t BLAKE2B_IV[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
                                       0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

static const uint8_t SIGMA[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

/* Row i of `words` gets word i of each lane's block. Written through a plain array: the compiler keeps it in memory anyway. */
INLINE void gather32(v32 words[16], lanes *the) {
    uint32_t(*plain)[WIDE] = (uint32_t(*)[WIDE])words;
    for (int lane = 0; lane < WIDE; lane++) {
        const uint8_t *from = the->at[lane];
        for (int i = 0; i < 16; i++) {
            uint32_t word;
            memcpy(&word, from + 4 * i, 4);
            plain[i][lane] = word;
        }
        the->at[lane] = from + the->step[lane];
    }
}

INLINE void gather64(v64 words[16], lanes *the) {
    uint64_t(*plain)[LONG] = (uint64_t(*)[LONG])words;
    for (int lane = 0; lane < LONG; lane++) {
        const uint8_t *from = the->at[lane];
        for (int i = 0; i < 16; i++) {
            uint64_t word;
            memcpy(&word, from + 8 * i, 8);
            plain[i][lane] = word;
        }
        the->at[lane] = from + the->step[lane];
    }
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OTHER_END32(x)                                              \
    x = (((x) & 0x00ff00ff) << 8) | (((x) >> 8) & 0x00ff00ff);      \
    x = ROL(x, 16);
#define OTHER_END64(x)                                                                  \
    x = (((x) & 0x00ff00ff00ff00ff) << 8) | (((x) >> 8) & 0x00ff00ff00ff00ff);          \
    x = (((x) & 0x0000ffff0000ffff) << 16) | (((x) >> 16) & 0x0000ffff0000ffff);        \
    x = ROR(x, 32);
#define AS_LITTLE32(x)
#define AS_LITTLE64(x)
#define AS_BIG32(x) OTHER_END32(x)
#define AS_BIG64(x) OTHER_END64(x)
#else
#define AS_BIG32(x)
#define AS_BIG64(x)
#define AS_LITTLE32(x) x = ((x & 0x00ff00ff) << 8) | ((x >> 8) & 0x00ff00ff), x = ROL(x, 16);
#define AS_LITTLE64(x)                                                          \
    x = ((x & 0x00ff00ff00ff00ff) << 8) | ((x >> 8) & 0x00ff00ff00ff00ff);      \
    x = ((x & 0x0000ffff0000ffff) << 16) | ((x >> 16) & 0x0000ffff0000ffff);    \
    x = ROR(x, 32);
#endif

INLINE void md5(lanes *the, size_t blocks) {
    v32 *state = the->state.w;
    while (blocks--) {
        v32 w[16];
        gather32(w, the);
        for (int i = 0; i < 16; i++) {
            AS_LITTLE32(w[i])
        }
        v32 a = state[0], b = state[1], c = state[2], d = state[3];
#define STEP(f, a, b, c, d, i, k, n) \
    a += (f) + w[k] + MD5_K[i];      \
    a = ROL(a, n) + b;
#define FOUR(F, i, k0, k1, k2, k3, n0, n1, n2, n3)  \
    STEP(F(b, c, d), a, b, c, d, i, k0, n0)         \
    STEP(F(a, b, c), d, a, b, c, i + 1, k1, n1)     \
    STEP(F(d, a, b), c, d, a, b, i + 2, k2, n2)     \
    STEP(F(c, d, a), b, c, d, a, i + 3, k3, n3)
#define F1(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define F2(x, y, z) ((y) ^ ((z) & ((x) ^ (y))))
#define F3(x, y, z) ((x) ^ (y) ^ (z))
#define F4(x, y, z) ((y) ^ ((x) | ~(z)))
        FOUR(F1, 0, 0, 1, 2, 3, 7, 12, 17, 22)
        FOUR(F1, 4, 4, 5, 6, 7, 7, 12, 17, 22)
        FOUR(F1, 8, 8, 9, 10, 11, 7, 12, 17, 22)
        FOUR(F1, 12, 12, 13, 14, 15, 7, 12, 17, 22)
        FOUR(F2, 16, 1, 6, 11, 0, 5, 9, 14, 20)
        FOUR(F2, 20, 5, 10, 15, 4, 5, 9, 14, 20)
        FOUR(F2, 24, 9, 14, 3, 8, 5, 9, 14, 20)
        FOUR(F2, 28, 13, 2, 7, 12, 5, 9, 14, 20)
        FOUR(F3, 32, 5, 8, 11, 14, 4, 11, 16, 23)
        FOUR(F3, 36, 1, 4, 7, 10, 4, 11, 16, 23)
        FOUR(F3, 40, 13, 0, 3, 6, 4, 11, 16, 23)
        FOUR(F3, 44, 9, 12, 15, 2, 4, 11, 16, 23)
        FOUR(F4, 48, 0, 7, 14, 5, 6, 10, 15, 21)
        FOUR(F4, 52, 12, 3, 10, 1, 6, 10, 15, 21)
        FOUR(F4, 56, 8, 15, 6, 13, 6, 10, 15, 21)
        FOUR(F4, 60, 4, 11, 2, 9, 6, 10, 15, 21)
#undef STEP
#undef FOUR
        state[0] += a;
        state[1] += b;
        state[2] += c;
        state[3] += d;
    }
}

INLINE void sha1(lanes *the, size_t blocks) {
    v32 *state = the->state.w;
    while (blocks--) {
        v32 w[16];
        gather32(w, the);
        for (int i = 0; i < 16; i++) {
            AS_BIG32(w[i])
        }
        v32 a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
#define ROUNDS(from, to, f, k)                                                                            \
    for (int i = from; i < to; i++) {                                                                     \
        if (i >= 16) {                                                                                    \
            v32 mixed = w[(i + 13) & 15] ^ w[(i + 8) & 15] ^ w[(i + 2) & 15] ^ w[i & 15];                 \
            w[i & 15] = ROL(mixed, 1);                                                                    \
        }                                                                                                 \
        v32 next = ROL(a, 5) + (f) + e + (uint32_t)(k) + w[i & 15];                                       \
        e = d, d = c, c = ROL(b, 30), b = a, a = next;                                                    \
    }
        ROUNDS(0, 20, d ^ (b & (c ^ d)), 0x5a827999)
        ROUNDS(20, 40, b ^ c ^ d, 0x6ed9eba1)
        ROUNDS(40, 60, (b & c) | (d & (b | c)), 0x8f1bbcdc)
        ROUNDS(60, 80, b ^ c ^ d, 0xca62c1d6)
#undef ROUNDS
        state[0] += a;
        state[1] += b;
        state[2] += c;
        state[3] += d;
        state[4] += e;
    }
}

INLINE void sha512(lanes *the, size_t blocks) {
    v64 *state = the->state.l;
    while (blocks--) {
        v64 w[16], s[8];
        gather64(w, the);
        for (int i = 0; i < 16; i++) {
            AS_BIG64(w[i])
        }
        for (int i = 0; i < 8; i++) s[i] = state[i];
        for (int i = 0; i < 80; i++) {
            if (i >= 16) {
                v64 x = w[(i + 1) & 15], y = w[(i + 14) & 15];
                w[i & 15] += (ROR(x, 1) ^ ROR(x, 8) ^ (x >> 7)) + w[(i + 9) & 15] + (ROR(y, 19) ^ ROR(y, 61) ^ (y >> 6));
            }
            v64 a = s[0], e = s[4];
            v64 one = s[7] + (ROR(e, 14) ^ ROR(e, 18) ^ ROR(e, 41)) + (s[6] ^ (e & (s[5] ^ s[6]))) + SHA512_K[i] + w[i & 15];
            v64 two = (ROR(a, 28) ^ ROR(a, 34) ^ ROR(a, 39)) + ((a & s[1]) | (s[2] & (a | s[1])));
            s[7] = s[6], s[6] = s[5], s[5] = e, s[4] = s[3] + one, s[3] = s[2], s[2] = s[1], s[1] = a, s[0] = one + two;
        }
        for (int i = 0; i < 8; i++) state[i] += s[i];
    }
}

INLINE void blake2b(lanes *the, size_t blocks) {
    v64 *state = the->state.l;
    v64 count, last;
    memcpy(&count, the->count, sizeof count);
    memcpy(&last, the->last, sizeof last);
    while (blocks--) {
        v64 m[16], v[16];
        gather64(m, the);
        for (int i = 0; i < 16; i++) {
            AS_LITTLE64(m[i])
        }
        count += 128;
        for (int i = 0; i < 8; i++) v[i] = state[i], v[i + 8] = (v64){} + BLAKE2B_IV[i];
        v[12] ^= count;
        v[14] ^= last;
#define G(a, b, c, d, x, y)                    \
    v[a] += v[b] + m[x];                       \
    v[d] = ROR(v[d] ^ v[a], 32);               \
    v[c] += v[d];                              \
    v[b] = ROR(v[b] ^ v[c], 24);               \
    v[a] += v[b] + m[y];                       \
    v[d] = ROR(v[d] ^ v[a], 16);               \
    v[c] += v[d];                              \
    v[b] = ROR(v[b] ^ v[c], 63);
#pragma GCC unroll 12
        for (int round = 0; round < 12; round++) {
            const uint8_t *s = SIGMA[round < 10 ? round : round - 10];
            G(0, 4, 8, 12, s[0], s[1])
            G(1, 5, 9, 13, s[2], s[3])
            G(2, 6, 10, 14, s[4], s[5])
            G(3, 7, 11, 15, s[6], s[7])
            G(0, 5, 10, 15, s[8], s[9])
            G(1, 6, 11, 12, s[10], s[11])
            G(2, 7, 8, 13, s[12], s[13])
            G(3, 4, 9, 14, s[14], s[15])
        }
#undef G
        for (int i = 0; i < 8; i++) state[i] ^= v[i] ^ v[i + 8];
    }
    memcpy(the->count, &count, sizeof count);
}

/* One stream of BLAKE2b: its 16 words are four rows of a register each, and a step is done in all columns at once. Its steps wait for
 * each other, so the rows that are turned between two steps are those that are not needed at once, and never `b`. */
typedef uint64_t row __attribute__((vector_size(32)));
typedef uint8_t bytes32 __attribute__((vector_size(32)));
typedef struct {
    uint64_t state[8], count; /* bytes so far */
} stream;

#if defined(__clang__)
#define ORDER(x, i, j, k, l) __builtin_shufflevector(x, x, i, j, k, l)
#define BYTES(x, ...) (row) __builtin_shufflevector((bytes32)(x), (bytes32)(x), __VA_ARGS__)
#else
#define ORDER(x, i, j, k, l) __builtin_shuffle(x, (row){i, j, k, l})
#define BYTES(x, ...) (row) __builtin_shuffle((bytes32)(x), (bytes32){__VA_ARGS__})
#endif
/* AVX2 has no turn by any number of bits, but one by whole bytes. */
#define TURN_24(x)                                                                                                    \
    BYTES(x, 3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10, 19, 20, 21, 22, 23, 16, 17, 18, 27, 28, 29, 30, 31, \
          24, 25, 26)
#define TURN_16(x)                                                                                                    \
    BYTES(x, 2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9, 18, 19, 20, 21, 22, 23, 16, 17, 26, 27, 28, 29, 30, \
          31, 24, 25)

INLINE uint64_t little(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, 8);
    return LITTLE64(word);
}

/* `blocks` whole blocks from `at`; `last` is all ones for the last block of the stream, and `bytes` what each block counts. */
INLINE void stream_blocks(stream *the, const uint8_t *at, size_t blocks, uint64_t bytes, uint64_t last, int by_bytes) {
    const row low = {BLAKE2B_IV[0], BLAKE2B_IV[1], BLAKE2B_IV[2], BLAKE2B_IV[3]};
    const row high = {BLAKE2B_IV[4], BLAKE2B_IV[5], BLAKE2B_IV[6], BLAKE2B_IV[7]};
    row first, second;
    memcpy(&first, the->state, sizeof first);
    memcpy(&second, the->state + 4, sizeof second);
    uint64_t count = the->count;
    for (; blocks--; at += 128) {
        count += bytes;
        row a = first, b = second, c = low, d = high ^ (row){count, 0, last, 0};
#define WORDS(i, j, k, l) ((row){little(at + 8 * (i)), little(at + 8 * (j)), little(at + 8 * (k)), little(at + 8 * (l))})
#define COLUMNS(x, y)                                      \
    a = (a + (x)) + b;                                     \
    d = ROR(d ^ a, 32);                                    \
    c += d;                                                \
    b = by_bytes ? TURN_24(b ^ c) : ROR(b ^ c, 24);        \
    a = (a + (y)) + b;                                     \
    d = by_bytes ? TURN_16(d ^ a) : ROR(d ^ a, 16);        \
    c += d;                                                \
    b = ROR(b ^ c, 63);
#pragma GCC unroll 12
        for (int round = 0; round < 12; round++) {
            const uint8_t *s = SIGMA[round < 10 ? round : round - 10];
            COLUMNS(WORDS(s[0], s[2], s[4], s[6]), WORDS(s[1], s[3], s[5], s[7]))
            a = ORDER(a, 3, 0, 1, 2), d = ORDER(d, 2, 3, 0, 1), c = ORDER(c, 1, 2, 3, 0);
            COLUMNS(WORDS(s[14], s[8], s[10], s[12]), WORDS(s[15], s[9], s[11], s[13]))
            a = ORDER(a, 1, 2, 3, 0), d = ORDER(d, 2, 3, 0, 1), c = ORDER(c, 3, 0, 1, 2);
        }
#undef COLUMNS
#undef WORDS
        first ^= a ^ c;
        second ^= b ^ d;
    }
    memcpy(the->state, &first, sizeof first);
    memcpy(the->state + 4, &second, sizeof second);
    the->count = count;
}

typedef void (*compress)(lanes *, size_t);
typedef void (*advance)(stream *, const uint8_t *, size_t, uint64_t, uint64_t);
#define LEVEL(name, attribute, by_bytes)                                                          \
    attribute static void md5_##name(lanes *the, size_t blocks) { md5(the, blocks); }     \
    attribute static void sha1_##name(lanes *the, size_t blocks) { sha1(the, blocks); }   \
    attribute static void sha512_##name(lanes *the, size_t blocks) { sha512(the, blocks); } \
    attribute static void blake2b_##name(lanes *the, size_t blocks) { blake2b(the, blocks); }                              \
    attribute static void stream_##name(stream *the, const uint8_t *at, size_t blocks, uint64_t bytes, uint64_t last) { \
        stream_blocks(the, at, blocks, bytes, last, by_bytes);                                                          \
    }
#define FUNCTIONS(name) {md5_##name, sha1_##name, blake2b_##name, sha512_##name}
LEVEL(plain, , 0)
#if defined(__x86_64__)
LEVEL(avx2, __attribute__((target("avx2"))), 1)
LEVEL(avx512, __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,prefer-vector-width=512"))), 0)
static const compress COMPRESS[3][4] = {FUNCTIONS(plain), FUNCTIONS(avx2), FUNCTIONS(avx512)};
static const advance ADVANCE[3] = {stream_plain, stream_avx2, stream_avx512};
static const char *const LEVELS[] = {"plain", "avx2", "avx512"};
static int best_level(void) {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq"))
        return 2;
    return __builtin_cpu_supports("avx2") ? 1 : 0;
}
#else
static const compress COMPRESS[1][4] = {FUNCTIONS(plain)};
static const advance ADVANCE[1] = {stream_plain};
static const char *const LEVELS[] = {"plain"};
static int best_level(void) { return 0; }
#endif

typedef struct {
    const char *name;
    int wide;        /* 32-bit words */
    int block, size; /* bytes of a block, bytes of the digest */
    int big;         /* big-endian words */
    int length;      /* bytes of the length behind the padding; 0: no padding (BLAKE2b) */
    uint64_t start[8];
} algorithm;

static const algorithm ALGORITHMS[4] = {
    {"MD5", 1, 64, 16, 0, 8, {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}},
    {"SHA1", 1, 64, 20, 1, 8, {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}},
    {"BLAKE2B", 0, 128, 64, 0, 0, /* RFC 7693, 2.5: 64 bytes of digest, no key */
     {0x6a09e667f3bcc908 ^ 0x01010040, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1, 0x510e527fade682d1,
      0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179}},
    {"SHA512", 0, 128, 64, 1, 16,
     {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
      0x1f83d9abfb41bd6b, 0x5be0cd19137e2179}},
};

typedef struct {
    const uint8_t *data;
    size_t size;
    uint8_t *digest;
} job;

/* Longest first, so that the lanes end at about the same time. */
static int longer(const void *one, const void *other) {
    size_t a = (*(const job *const *)one)->size, b = (*(const job *const *)other)->size;
    return (a < b) - (a > b);
}

typedef struct {
    const job *piece;
    size_t blocks;       /* that are left of what `at` points to */
    int ending;          /* the padded end is being read */
    uint8_t end[2 * 128];
} task;

/* Copy what follows the whole blocks into `end`, padded. Returns its number of blocks. */
static size_t finish(const algorithm *kind, task *one, size_t done) {
    size_t rest = one->piece->size - done, block = (size_t)kind->block;
    memset(one->end, 0, sizeof one->end);
    if (rest) memcpy(one->end, one->piece->data + done, rest);
    if (!kind->length) return 1;
    one->end[rest] = 0x80;
    size_t blocks = rest + 1 + (size_t)kind->length > block ? 2 : 1;
    uint64_t bits = (uint64_t)one->piece->size << 3;
    for (int i = 0; i < 8; i++) one->end[blocks * block - 1 - i] = (uint8_t)(bits >> (kind->big ? 8 * i : 56 - 8 * i));
    return blocks;
}

static void digest(const algorithm *kind, compress step, const job *const *jobs, size_t count) {
    static const uint8_t nothing[128];
    const int width = kind->wide ? WIDE : LONG;
    lanes the;
    task tasks[WIDE];
    size_t next = 0, running = 0;
    memset(&the, 0, sizeof the);
    memset(tasks, 0, sizeof tasks);
    for (int lane = 0; lane < WIDE; lane++) the.at[lane] = nothing;
    uint32_t(*words)[WIDE] = (uint32_t(*)[WIDE])the.state.w;
    uint64_t(*longs)[LONG] = (uint64_t(*)[LONG])the.state.l;
    for (;;) {
        size_t least = 0;
        for (int lane = 0; lane < width; lane++) {
            task *one = &tasks[lane];
            while (!one->blocks) {
                if (one->piece && one->ending) {
                    for (int i = 0; i < kind->size / (kind->wide ? 4 : 8); i++) {
                        if (kind->wide) {
                            uint32_t word = kind->big ? BIG32(words[i][lane]) : LITTLE32(words[i][lane]);
                            memcpy(one->piece->digest + 4 * i, &word, 4);
                        } else {
                            uint64_t word = kind->big ? BIG64(longs[i][lane]) : LITTLE64(longs[i][lane]);
                            memcpy(one->piece->digest + 8 * i, &word, 8);
                        }
                    }
                    one->piece = NULL;
                    running--;
                }
                if (!one->piece) {
                    if (next == count) {
                        the.at[lane] = nothing;
                        the.step[lane] = 0;
                        break;
                    }
                    one->piece = jobs[next++];
                    one->ending = 0;
                    running++;
                    size_t size = one->piece->size;
                    /* The last block of BLAKE2b is never empty, except for no bytes at all. */
                    one->blocks = kind->length || !size ? size / (size_t)kind->block : (size - 1) / (size_t)kind->block;
                    the.at[lane] = one->piece->data;
                    the.step[lane] = (size_t)kind->block;
                    for (int i = 0; i < 8; i++) {
                        if (kind->wide)
                            words[i][lane] = (uint32_t)kind->start[i];
                        else
                            longs[i][lane] = kind->start[i];
                    }
                    if (!kind->wide) the.count[lane] = the.last[lane] = 0;
                } else {
                    size_t size = one->piece->size, block = (size_t)kind->block;
                    size_t done = (kind->length || !size ? size / block : (size - 1) / block) * block;
                    one->ending = 1;
                    one->blocks = finish(kind, one, done);
                    the.at[lane] = one->end;
                    if (!kind->length) {
                        the.count[lane] = (uint64_t)size - 128; /* the step adds 128 */
                        the.last[lane] = ~(uint64_t)0;
                    }
                }
            }
            if (one->blocks && (!least || one->blocks < least)) least = one->blocks;
        }
        if (!running) return;
        step(&the, least);
        for (int lane = 0; lane < width; lane++)
            if (tasks[lane].piece) tasks[lane].blocks -= least;
    }
}

static PyObject *digests(PyObject *module, PyObject *arguments) {
    const char *name;
    PyObject *pieces;
    int level = -1, number = 0;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "sO|i", &name, &pieces, &level)) return NULL;
    while (number < 4 && strcmp(name, ALGORITHMS[number].name)) number++;
    if (number == 4 || level > best_level()) {
        PyErr_SetString(PyExc_ValueError, "no such algorithm or level");
        return NULL;
    }
    const algorithm *kind = &ALGORITHMS[number];
    compress step = COMPRESS[level < 0 ? best_level() : level][number];
    if (!PyList_Check(pieces)) {
        PyErr_SetString(PyExc_TypeError, "a list of bytes is needed");
        return NULL;
    }
    Py_ssize_t count = PyList_Size(pieces), held = 0;
    size_t room = (size_t)count + 1;
    Py_buffer *views = PyMem_Malloc(room * sizeof *views);
    job *jobs = PyMem_Malloc(room * sizeof *jobs);
    const job **order = PyMem_Malloc(room * sizeof *order);
    uint8_t *out = PyMem_Malloc(room * 64);
    PyObject *result = NULL;
    if (!views || !jobs || !order || !out) {
        PyErr_NoMemory();
        goto end;
    }
    /* The length is asked again: taking a buffer may run code of the object. */
    for (; held < count && held < PyList_Size(pieces); held++) {
        if (PyObject_GetBuffer(PyList_GetItem(pieces, held), &views[held], PyBUF_SIMPLE)) goto end;
        jobs[held] = (job){views[held].buf, (size_t)views[held].len, out + 64 * held};
        order[held] = &jobs[held];
    }
    Py_BEGIN_ALLOW_THREADS;
    qsort(order, (size_t)held, sizeof *order, longer);
    digest(kind, step, order, (size_t)held);
    Py_END_ALLOW_THREADS;
    result = PyList_New(held);
    for (Py_ssize_t i = 0; result && i < held; i++) {
        PyObject *value = PyBytes_FromStringAndSize((const char *)jobs[i].digest, kind->size);
        if (!value || PyList_SetItem(result, i, value)) {
            Py_DECREF(result);
            result = NULL;
        }
    }
end:
    while (held) PyBuffer_Release(&views[--held]);
    PyMem_Free(views);
    PyMem_Free(jobs);
    PyMem_Free(order);
    PyMem_Free(out);
    return result;
}

/* The object Blake2b, with the methods of hashlib's that are used. Between two calls `held` has what is left of the bytes so far:
 * never nothing once there was something, because the last block is another than the others. */
typedef struct {
    PyObject_HEAD
    stream the;
    advance step;
    size_t filled; /* bytes in `held` */
    int busy;      /* a thread is in `update` without the GIL */
    uint8_t held[128];
} hashing;

static PyObject *hashing_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    int level = -1;
    static char *names[] = {"level", NULL};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|i", names, &level)) return NULL;
    if (level > best_level()) {
        PyErr_SetString(PyExc_ValueError, "no such level");
        return NULL;
    }
    hashing *self = (hashing *)PyType_GenericAlloc(type, 0); /* all zero */
    if (!self) return NULL;
    memcpy(self->the.state, ALGORITHMS[2].start, sizeof self->the.state);
    self->step = ADVANCE[level < 0 ? best_level() : level];
    return (PyObject *)self;
}

static void hashing_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static void hashing_add(hashing *self, const uint8_t *data, size_t size) {
    if (!size) return;
    size_t room = sizeof self->held - self->filled;
    if (size > room) {
        memcpy(self->held + self->filled, data, room);
        self->step(&self->the, self->held, 1, 128, 0);
        data += room;
        size -= room;
        size_t blocks = (size - 1) / 128;
        self->step(&self->the, data, blocks, 128, 0);
        data += blocks * 128;
        size -= blocks * 128;
        self->filled = 0;
    }
    memcpy(self->held + self->filled, data, size);
    self->filled += size;
}

static int hashing_busy(hashing *self) {
    if (self->busy) PyErr_SetString(PyExc_RuntimeError, "another thread is hashing");
    return self->busy;
}

static PyObject *hashing_update(PyObject *object, PyObject *data) {
    hashing *self = (hashing *)object;
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)) return NULL;
    /* Asked after the buffer was taken, which may run code of the object. */
    if (hashing_busy(self)) {
        PyBuffer_Release(&view);
        return NULL;
    }
    if (view.len < 2048) {
        hashing_add(self, view.buf, (size_t)view.len);
    } else {
        self->busy = 1;
        Py_BEGIN_ALLOW_THREADS;
        hashing_add(self, view.buf, (size_t)view.len);
        Py_END_ALLOW_THREADS;
        self->busy = 0;
    }
    PyBuffer_Release(&view);
    Py_RETURN_NONE;
}

static PyObject *hashing_hexdigest(PyObject *object, PyObject *nothing) {
    (void)nothing;
    hashing *self = (hashing *)object;
    if (hashing_busy(self)) return NULL;
    stream end = self->the;
    uint8_t block[128] = {0};
    char text[128];
    memcpy(block, self->held, self->filled);
    self->step(&end, block, 1, self->filled, ~(uint64_t)0);
    for (int i = 0; i < 64; i++) {
        unsigned value = (unsigned)(end.state[i / 8] >> (8 * (i % 8))) & 255;
        text[2 * i] = "0123456789abcdef"[value >> 4];
        text[2 * i + 1] = "0123456789abcdef"[value & 15];
    }
    return PyUnicode_FromStringAndSize(text, sizeof text);
}

static PyMethodDef HASHING_METHODS[] = {
    {"update", hashing_update, METH_O, "update(data): the next bytes of the stream"},
    {"hexdigest", hashing_hexdigest, METH_NOARGS, "hexdigest(): of the bytes so far"},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot HASHING_SLOTS[] = {
    {Py_tp_new, hashing_new}, {Py_tp_dealloc, hashing_dealloc}, {Py_tp_methods, HASHING_METHODS}, {0, NULL}};
static PyType_Spec HASHING = {"portage_ext.model._lanes.Blake2b", sizeof(hashing), 0, Py_TPFLAGS_DEFAULT, HASHING_SLOTS};

static PyMethodDef METHODS[] = {
    {"digests", digests, METH_VARARGS, "digests(algorithm, pieces, level=-1): the digest of each piece, in order"},
    {NULL, NULL, 0, NULL},
};

static int fill(PyObject *module) {
    PyObject *levels = PyTuple_New(best_level() + 1);
    if (!levels) return -1;
    for (int i = 0; i <= best_level(); i++) {
        PyObject *name = PyUnicode_FromString(LEVELS[i]);
        if (!name || PyTuple_SetItem(levels, i, name)) {
            Py_DECREF(levels);
            return -1;
        }
    }
    int failed = PyModule_AddObjectRef(module, "LEVELS", levels);
    Py_DECREF(levels);
    PyObject *type = failed ? NULL : PyType_FromModuleAndSpec(module, &HASHING, NULL);
    if (!type) return -1;
    failed = PyModule_AddObjectRef(module, "Blake2b", type);
    Py_DECREF(type);
    return failed;
}

static PyModuleDef_Slot SLOTS[] = {{Py_mod_exec, fill}, {0, NULL}};
static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "portage_ext.model._lanes", "Digests of many pieces of bytes at once.", 0, METHODS, SLOTS, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__lanes(void) { return PyModuleDef_Init(&MODULE); }
