/* Which files of a directory tree are as a record says: one look at each, in the order of the record.
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

static PyMethodDef METHODS[] = {
    {"others", others, METH_VARARGS, "others(directory, record): the lines whose file is not as the line says"},
    {NULL, NULL, 0, NULL},
};
static PyModuleDef_Slot SLOTS[] = {{0, NULL}};
static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "portage_ext.releases.pool._look", "A look at many files.", 0, METHODS, SLOTS, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__look(void) { return PyModuleDef_Init(&MODULE); }
