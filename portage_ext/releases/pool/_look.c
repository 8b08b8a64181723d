/* Records of the pool: which files are as a record says, by one look at each; how many names it has; and the names of a block.
 *
 * A line of a record is "NAME SIZE MTIME\n". This decides one thing only: that a file has exactly this size and this time. The
 * lines of all other files, and lines of any other form, are returned; releases/pool/files.py looks at these again, and decides.
 * It opens no file and reads no byte outside of the record.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#define _GNU_SOURCE
#include <Python.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONGEST 1024

/* The number that ends at `end` and begins behind a space; `begin` gets the place of that space. 0 if there is none. */
static int number(const char *line, const char *end, const char **begin, int64_t *found) {
    const char *at = end;
    int64_t sum = 0, unit = 1;
    for (; at > line && at[-1] >= '0' && at[-1] <= '9' && end - at < 18; at--, unit *= 10) sum += unit * (at[-1] - '0');
    if (at == end || at == line || at[-1] != ' ' || (*at == '0' && end - at > 1)) return 0;
    *begin = at - 1;
    *found = sum;
    return 1;
}

/* Whether the file that the line names, below the directory `top`, has the size and the time that the line says. */
static int as_said(int top, const char *line, const char *end) {
    char name[LONGEST];
    const char *at = end;
    int64_t size, time;
    struct stat status;
    if (!number(line, at, &at, &time) || !number(line, at, &at, &size)) return 0;
    size_t length = (size_t)(at - line);
    if (!length || length >= LONGEST || *line == '/' || memchr(line, 0, length) || memchr(line, ' ', length)) return 0;
    memcpy(name, line, length);
    name[length] = 0;
    if (fstatat(top, name, &status, AT_SYMLINK_NOFOLLOW)) return 0;
    return (int64_t)status.st_size == size && (int64_t)status.st_mtim.tv_sec == time;
}

static PyObject *others(PyObject *module, PyObject *arguments) {
    PyObject *path, *found = NULL;
    Py_buffer view;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "O&y*", PyUnicode_FSConverter, &path, &view)) return NULL;
    const char *data = view.buf, *end = data + view.len;
    size_t count = 0, room = 0;
    size_t *places = NULL;
    const char *directory = PyBytes_AsString(path);
    int memory = 1;
    Py_BEGIN_ALLOW_THREADS
    int top = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (const char *line = data; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop) stop = end;
        if (top < 0 || !as_said(top, line, stop)) {
            if (count == room) {
                room = room ? 2 * room : 64;
                size_t *more = realloc(places, room * 2 * sizeof *places);
                if (!more) {
                    memory = 0;
                    break;
                }
                places = more;
            }
            places[2 * count] = (size_t)(line - data);
            places[2 * count++ + 1] = (size_t)(stop - line);
        }
        line = stop + 1;
    }
    if (top >= 0) close(top);
    Py_END_ALLOW_THREADS
    if (!memory)
        PyErr_NoMemory();
    else
        found = PyList_New(0);
    for (size_t one = 0; found && one < count; one++) {
        PyObject *line = PyBytes_FromStringAndSize(data + places[2 * one], (Py_ssize_t)places[2 * one + 1]);
        if (!line || PyList_Append(found, line)) Py_CLEAR(found);
        Py_XDECREF(line);
    }
    free(places);
    PyBuffer_Release(&view);
    Py_DECREF(path);
    return found;
}

#define STEPS 64

/* How many lines of `data` have another name than all before; -1 where that is left to Python: a byte that is not ASCII, or names
 * that somebody chose so that they meet in the table. `table` has `mask` + 1 places, more than there are lines, all of them 0. */
static Py_ssize_t different(const char *data, const char *end, const char **table, size_t mask) {
    Py_ssize_t count = 0;
    for (const char *line = data, *stop; line < end && (stop = memchr(line, '\n', (size_t)(end - line))); line = stop + 1) {
        uint64_t sum = 14695981039346656037u;
        const char *at = line;
        for (; at < stop && *at != ' '; at++) {
            if (*at & 0x80) return -1;
            sum = (sum ^ (unsigned char)*at) * 1099511628211u;
        }
        size_t length = (size_t)(at - line), place = (size_t)(sum ^ sum >> 32) & mask, steps = 0;
        for (; table[place]; place = (place + 1) & mask) {
            const char *other = table[place];
            if ((size_t)(stop - other) >= length && !memcmp(other, line, length) &&
                (other[length] == ' ' || other[length] == '\n'))
                break;
            if (++steps == STEPS) return -1;
        }
        if (!table[place]) {
            table[place] = line;
            count++;
        }
    }
    return count;
}

static PyObject *distinct(PyObject *module, PyObject *arguments) {
    Py_buffer view;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "y*", &view)) return NULL;
    const char *data = view.buf, *end = data + view.len;
    size_t lines = 1, room = 64;
    for (const char *at = data; at < end && (at = memchr(at, '\n', (size_t)(end - at))); at++) lines++;
    while (room < 4 * lines) room *= 2;
    const char **table = calloc(room, sizeof *table);
    Py_ssize_t count = table ? different(data, end, table, room - 1) : -1;
    free(table);
    PyBuffer_Release(&view);
    if (count < 0) Py_RETURN_NONE;
    return PyLong_FromSsize_t(count);
}

/* --- names in the pool */

typedef struct {
    const char *at, *end;
} Part;

/* What names.py needs of an entry. */
enum { DIGEST, CPV, PATH, SIZE, MTIME, KEYS };
static const char *const KEY[KEYS] = {"BLAKE2B: ", "CPV: ", "PATH: ", "SIZE: ", "MTIME: "};

/* The values of the entry from `at` to `end`, which ends behind its last line; 0 where one is missing or there twice. */
static int values(const char *at, const char *end, Part *found) {
    memset(found, 0, KEYS * sizeof *found);
    for (const char *stop; at < end; at = stop + 1) {
        stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) stop = end;
        for (int key = 0; key < KEYS; key++) {
            size_t length = strlen(KEY[key]);
            /* A line "PATH:x" is one for others, too. */
            size_t told = key == PATH ? length - 1 : length;
            if ((size_t)(stop - at) < told || memcmp(at, KEY[key], told)) continue;
            if (found[key].at || (size_t)(stop - at) <= length || at[length - 1] != ' ') return 0;
            found[key].at = at + length;
            found[key].end = stop;
        }
    }
    for (int key = 0; key < KEYS; key++)
        if (!found[key].at) return 0;
    return 1;
}

static int begins(Part whole, Part with) {
    size_t length = (size_t)(with.end - with.at);
    return (size_t)(whole.end - whole.at) > length && !memcmp(whole.at, with.at, length);
}

/* The name in the pool into `name`, which has room for the path and 32 bytes more; its length, or 0 where names.py must decide. */
static size_t pool_name(const Part *of, char *name) {
    static const char SUFFIX[] = ".gpkg.tar";
    const size_t suffix = sizeof SUFFIX - 1;
    Part path = of[PATH], cpv = of[CPV], digest = of[DIGEST];
    uint64_t bits = 0;
    if (digest.end - digest.at < 16 || (size_t)(path.end - path.at) <= suffix) return 0;
    for (int place = 0; place < 16; place++) {
        char digit = digest.at[place];
        int value = digit >= '0' && digit <= '9' ? digit - '0' : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
        if (value < 0) return 0;
        bits = bits << 4 | (uint64_t)value;
    }
    const char *slash = memchr(cpv.at, '/', (size_t)(cpv.end - cpv.at)), *last = path.end;
    while (last > path.at && last[-1] != '/') last--;
    if (!slash || last == path.at || memcmp(path.end - suffix, SUFFIX, suffix)) return 0;
    /* CATEGORY/PN/PF-NUMBER.gpkg.tar with PF = PN-VERSION, as names.name has it. */
    Part category = {cpv.at, slash + 1}, pf = {slash + 1, cpv.end}, file = {last, path.end};
    if (!begins((Part){path.at, last - 1}, category)) return 0;
    Part pn = {path.at + (category.end - category.at), last - 1};
    if (!begins(pf, pn) || pf.at[pn.end - pn.at] != '-' || !begins(file, pf) || file.at[pf.end - pf.at] != '-') return 0;
    size_t length = (size_t)(last - path.at) + (size_t)(pf.end - pf.at);
    memcpy(name, path.at, (size_t)(last - path.at));
    memcpy(name + (last - path.at), pf.at, (size_t)(pf.end - pf.at));
    /* 10 to the power of 19 plus these bits, in two halves of ten digits. */
    uint64_t half = bits % 10000000000u;
    name[length] = '-';
    for (size_t digit = 20; digit > 0; digit--, half /= 10) {
        if (digit == 10) half = bits / 10000000000u + 1000000000u;
        name[length + digit] = (char)('0' + (int)(half % 10));
    }
    memcpy(name + length + 21, SUFFIX, suffix);
    return length + 21 + suffix;
}

static char *put(char *at, const char *from, const char *end) {
    memcpy(at, from, (size_t)(end - from));
    return at + (end - from);
}

static PyObject *named(PyObject *module, PyObject *arguments) {
    Py_buffer view;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "y*", &view)) return NULL;
    const char *at = view.buf, *end = at + view.len;
    PyObject *pairs = PyList_New(0), *found = NULL;
    /* No name is longer than its path and 32 bytes, and an entry has at least 60 bytes; each name is in the record, too. */
    char *text = malloc(2 * (size_t)view.len + 64), *record = malloc(2 * (size_t)view.len + 64), *name = malloc((size_t)view.len + 64);
    char *text_end = text, *record_end = record;
    int usual = text && record && name && view.len && *at != '\n';
    while (pairs && usual && at < end) {
        const char *stop = at;
        do {
            stop = memchr(stop, '\n', (size_t)(end - stop));
            if (stop) stop++;
        } while (stop && stop < end && *stop != '\n');
        Part of[KEYS];
        /* Every entry has an empty line behind it, and no other. */
        if (!stop || stop == end || (stop + 1 < end && stop[1] == '\n') || !values(at, stop - 1, of)) break;
        size_t length = pool_name(of, name);
        if (!length || (length == (size_t)(of[PATH].end - of[PATH].at) && !memcmp(name, of[PATH].at, length))) break;
        text_end = put(text_end, at, of[PATH].at);
        text_end = put(text_end, name, name + length);
        text_end = put(text_end, of[PATH].end, stop + 1);
        record_end = put(record_end, name, name + length);
        *record_end++ = ' ';
        record_end = put(record_end, of[SIZE].at, of[SIZE].end);
        *record_end++ = ' ';
        record_end = put(record_end, of[MTIME].at, of[MTIME].end);
        *record_end++ = '\n';
        PyObject *pair = Py_BuildValue("(y#y#)", name, (Py_ssize_t)length, of[PATH].at, (Py_ssize_t)(of[PATH].end - of[PATH].at));
        if (!pair || PyList_Append(pairs, pair)) Py_CLEAR(pairs);
        Py_XDECREF(pair);
        at = stop + 1;
    }
    if (pairs && usual && at == end)
        found = Py_BuildValue("(y#y#O)", text, (Py_ssize_t)(text_end - text), record, (Py_ssize_t)(record_end - record), pairs);
    else if (pairs)
        found = Py_NewRef(Py_None);
    free(text);
    free(record);
    free(name);
    Py_XDECREF(pairs);
    PyBuffer_Release(&view);
    return found;
}

static PyMethodDef METHODS[] = {
    {"others", others, METH_VARARGS, "others(directory, record): the lines whose file is not as the line says"},
    {"distinct", distinct, METH_VARARGS, "distinct(record): how many different names it has; None where that is left to Python"},
    {"named", named, METH_VARARGS, "named(text): a block with names in the pool, its record, names and paths; else None"},
    {NULL, NULL, 0, NULL},
};
static PyModuleDef_Slot SLOTS[] = {{0, NULL}};
static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "portage_ext.releases.pool._look", "A look at many files.", 0, METHODS, SLOTS, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__look(void) { return PyModuleDef_Init(&MODULE); }
