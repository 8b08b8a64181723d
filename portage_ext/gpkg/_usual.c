/* Archives whose every header has the form that Portage writes, in one pass over memory.
 *
 * This accepts a part of what portage_ext.gpkg.tar accepts, and returns the same for it. For everything else, also for everything
 * that is wrong, it returns None: then tar.py reads the archive, and decides. So no refusal is made here. It never writes to the
 * bytes, and reads no byte outside of them.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

#define BLOCK 512

static int octal(const uint8_t *at, int digits) {
    for (int i = 0; i < digits; i++)
        if (at[i] < '0' || at[i] > '7') return 0;
    return at[digits] == 0;
}

static uint64_t value(const uint8_t *at, int digits) {
    uint64_t sum = 0;
    for (int i = 0; i < digits; i++) sum = sum << 3 | (uint64_t)(at[i] - '0');
    return sum;
}

static int zeros(const uint8_t *at, size_t count) {
    return !count || (*at == 0 && !memcmp(at, at + 1, count - 1));
}

/* Whether a plain file begins here, in the form of _USUAL and with the right checksum; `size` gets its size. */
static int usual(const uint8_t *at, uint64_t *size) {
    static const uint8_t magic[8] = {'u', 's', 't', 'a', 'r', 0, '0', '0'};
    if (!octal(at + 100, 7) || !octal(at + 108, 7) || !octal(at + 116, 7) || !octal(at + 124, 11) || !octal(at + 136, 11)) return 0;
    if (!octal(at + 148, 6) || at[155] != ' ' || at[156] != '0' || !zeros(at + 157, 100) || memcmp(at + 257, magic, 8)) return 0;
    for (int device = 329; device <= 337; device += 8)
        if (!octal(at + device, 7) && !zeros(at + device, 8)) return 0;
    if (!zeros(at + 345, 167)) return 0;
    uint32_t sum = 8 * ' ';
    for (int i = 0; i < BLOCK; i++) sum += at[i];
    for (int i = 148; i < 156; i++) sum -= at[i];
    if (sum != value(at + 148, 6)) return 0;
    *size = value(at + 124, 11);
    return 1;
}

/* The length of the name, whose field ends with zeros; 0 if it does not, or the field is full. */
static size_t named(const uint8_t *at) {
    size_t length = strnlen((const char *)at, 100);
    return length < 100 && zeros(at + length, 100 - length) ? length : 0;
}

static int letter(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Where the data of the file ends with its padding; 0 if that is not inside of the archive. */
static size_t behind(size_t start, uint64_t size, size_t length) {
    if (size > length - start) return 0;
    size_t end = start + (size_t)((size + BLOCK - 1) / BLOCK * BLOCK);
    return end <= length ? end : 0;
}

static PyObject *members(PyObject *module, PyObject *arguments) {
    Py_buffer view;
    Py_ssize_t most;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "y*n", &view, &most)) return NULL;
    const uint8_t *data = view.buf;
    size_t length = (size_t)view.len, at = 0;
    PyObject *found = PyList_New(0);
    int whole = 0;
    for (Py_ssize_t count = 0; found && at + BLOCK <= length; count++) {
        uint64_t size;
        if (!data[at] && zeros(data + at, BLOCK)) {
            whole = 1;
            break;
        }
        size_t name = count < most && usual(data + at, &size) ? named(data + at) : 0, end;
        for (size_t i = 0; i < name; i++)
            if (!letter(data[at + i]) && !strchr("+-./", data[at + i])) name = 0;
        if (!name || data[at + name - 1] == '/' || !(end = behind(at + BLOCK, size, length))) break;
        PyObject *member = Py_BuildValue("s#nnK", (const char *)data + at, (Py_ssize_t)name, (Py_ssize_t)at,
                                         (Py_ssize_t)(at + BLOCK), (unsigned long long)size);
        if (!member || PyList_Append(found, member)) Py_CLEAR(found);
        Py_XDECREF(member);
        at = end;
    }
    PyBuffer_Release(&view);
    if (!found || whole) return found;
    Py_DECREF(found);
    Py_RETURN_NONE;
}

static PyObject *values(PyObject *module, PyObject *arguments) {
    Py_buffer view;
    const char *prefix;
    PyObject *known;
    Py_ssize_t start, longest, most;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "y*y#Onn", &view, &prefix, &start, &known, &longest, &most)) return NULL;
    const uint8_t *data = view.buf;
    size_t length = (size_t)view.len, at = 0;
    PyObject *found = PyDict_Check(known) ? PyDict_New() : NULL;
    if (!found && !PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "a dict is needed");
    int whole = 0;
    for (Py_ssize_t count = 0; found && at + BLOCK <= length; count++) {
        uint64_t size;
        const uint8_t *header = data + at;
        if (!*header && zeros(header, BLOCK)) {
            whole = zeros(header, length - at);
            break;
        }
        size_t name = count < most && usual(header, &size) ? named(header) : 0, end;
        if (name <= (size_t)start || memcmp(header, prefix, (size_t)start) || !letter(header[start]) ||
            memchr(header + start, '/', name - (size_t)start) || !(end = behind(at + BLOCK, size, length)))
            break;
        PyObject *field = PyBytes_FromStringAndSize((const char *)header, 100), *key = NULL;
        if (field) key = PyDict_GetItemWithError(known, field);
        Py_XDECREF(field);
        if (key) {
            if (PyDict_GetItemWithError(found, key)) break; /* twice */
            uint64_t kept = size < (uint64_t)longest ? size : (uint64_t)longest;
            PyObject *text = PyErr_Occurred() ? NULL : PyBytes_FromStringAndSize((const char *)header + BLOCK, (Py_ssize_t)kept);
            if (text) PyDict_SetItem(found, key, text);
            Py_XDECREF(text);
        }
        if (PyErr_Occurred()) Py_CLEAR(found);
        at = end;
    }
    PyBuffer_Release(&view);
    if (!found || whole) return found;
    Py_DECREF(found);
    Py_RETURN_NONE;
}

static PyMethodDef METHODS[] = {
    {"members", members, METH_VARARGS, "members(data, most): (name, start, offset, size) of each file, or None"},
    {"values", values, METH_VARARGS, "values(data, prefix, known, longest, most): the files whose name field is in known, or None"},
    {NULL, NULL, 0, NULL},
};
static PyModuleDef_Slot SLOTS[] = {{0, NULL}};
static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "portage_ext.gpkg._usual", "Archives of the usual form.", 0, METHODS, SLOTS, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__usual(void) { return PyModuleDef_Init(&MODULE); }
