/* PKGDIR as it is on disk: names, sizes, times and inodes of a whole tree in one call, while Python does something else.
 *
 * This finds what portage_ext.pkgdir.walk finds, in the same order. Where anything is not as usual, such as a directory that cannot
 * be read, it returns None: then walk.py looks itself, and says what is wrong. It opens directories only, and no link but the top.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIXES 8

struct name {
    size_t at; /* in `text` */
    size_t length;
};
struct file {
    struct name name;
    long long size, mtime;
    unsigned long long inode;
};
struct directory {
    struct name name;
    long long mtime;
    unsigned long long inode;
    size_t file, files, child, children;
};
struct tree {
    char *text;
    struct file *files;
    struct name *children;
    struct directory *directories;
    size_t text_used, text_size, file_used, file_size, child_used, child_size, directory_used, directory_size;
    const char *suffix[SUFFIXES];
    size_t suffix_length[SUFFIXES];
    int suffixes;
    long deepest;
};

/* Make room for `more` elements; 0 if there is no memory. */
static int room(void **array, size_t element, size_t used, size_t *size, size_t more) {
    if (used + more <= *size) return 1;
    size_t wanted = 2 * *size + more + 1024;
    void *grown = realloc(*array, wanted * element);
    if (!grown) return 0;
    *array = grown;
    *size = wanted;
    return 1;
}

/* The path of `name` below the directory `above`, kept; 0 if there is no memory. */
static int keep(struct tree *tree, struct name above, const char *name, size_t length, struct name *kept) {
    if (!room((void **)&tree->text, 1, tree->text_used, &tree->text_size, above.length + length + 2)) return 0;
    kept->at = tree->text_used;
    char *to = tree->text + tree->text_used;
    if (above.length) {
        memcpy(to, tree->text + above.at, above.length);
        to[above.length] = '/';
        to += above.length + 1;
    }
    memcpy(to, name, length);
    to[length] = 0; /* openat needs it */
    kept->length = (size_t)(to - (tree->text + kept->at)) + length;
    tree->text_used = kept->at + kept->length + 1;
    return 1;
}

static int package(const struct tree *tree, const char *name, size_t length) {
    for (int i = 0; i < tree->suffixes; i++)
        if (length >= tree->suffix_length[i] &&
            !memcmp(name + length - tree->suffix_length[i], tree->suffix[i], tree->suffix_length[i]))
            return 1;
    return 0;
}

/* The time in nanoseconds since 1970; 0 if that is no number of 64 bits, as from the year 2262 on. */
static int nanoseconds(const struct stat *status, long long *found) {
    return !__builtin_mul_overflow((long long)status->st_mtim.tv_sec, 1000000000LL, found) &&
           !__builtin_add_overflow(*found, (long long)status->st_mtim.tv_nsec, found);
}

/* List one directory, which is open. Returns 1, 0 if something is not as usual, or -1 if there is no memory. */
static int list(struct tree *tree, DIR *stream, struct directory *here) {
    struct stat status;
    if (fstat(dirfd(stream), &status) || !nanoseconds(&status, &here->mtime)) return 0;
    here->inode = status.st_ino;
    here->file = tree->file_used;
    here->child = tree->child_used;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (!entry) {
            if (errno) return 0;
            break;
        }
        const char *name = entry->d_name;
        if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]))) continue;
        size_t length = strlen(name);
        int packaged = package(tree, name, length), folder = entry->d_type == DT_DIR;
        if (packaged || entry->d_type == DT_UNKNOWN) {
            if (fstatat(dirfd(stream), name, &status, AT_SYMLINK_NOFOLLOW)) {
                if (errno == ENOENT) continue;
                return 0;
            }
            folder = S_ISDIR(status.st_mode);
        }
        if (folder) {
            if (!room((void **)&tree->children, sizeof *tree->children, tree->child_used, &tree->child_size, 1)) return -1;
            if (!keep(tree, here->name, name, length, &tree->children[tree->child_used++])) return -1;
        } else if (packaged && S_ISREG(status.st_mode)) {
            if (!room((void **)&tree->files, sizeof *tree->files, tree->file_used, &tree->file_size, 1)) return -1;
            struct file *file = &tree->files[tree->file_used++];
            if (!keep(tree, here->name, name, length, &file->name)) return -1;
            if (!nanoseconds(&status, &file->mtime)) return 0;
            file->size = status.st_size;
            file->inode = status.st_ino;
        }
    }
    here->files = tree->file_used - here->file;
    here->children = tree->child_used - here->child;
    return 1;
}

/* List the directory of the descriptor `fd` and all below it; as above. Closes `fd`. */
static int walk(struct tree *tree, int fd, struct name name, long depth) {
    DIR *stream = fdopendir(fd);
    if (!stream) {
        close(fd);
        return 0;
    }
    struct directory here = {.name = name};
    int done = depth < tree->deepest ? list(tree, stream, &here) : 0;
    if (done == 1) {
        if (room((void **)&tree->directories, sizeof here, tree->directory_used, &tree->directory_size, 1))
            tree->directories[tree->directory_used++] = here;
        else
            done = -1;
    }
    for (size_t i = 0; done == 1 && i < here.children; i++) {
        struct name child = tree->children[here.child + i];
        size_t above = name.length ? name.length + 1 : 0;
        int below = openat(dirfd(stream), tree->text + child.at + above, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (below >= 0)
            done = walk(tree, below, child, depth + (name.length != 0));
        else if (errno != ENOENT)
            done = 0;
    }
    closedir(stream);
    return done;
}

static PyObject *decoded(const struct tree *tree, struct name name) {
    return PyUnicode_DecodeFSDefaultAndSize(tree->text + name.at, (Py_ssize_t)name.length);
}

static PyObject *files_of(const struct tree *tree, const struct directory *one) {
    PyObject *found = PyList_New((Py_ssize_t)one->files);
    for (size_t i = 0; found && i < one->files; i++) {
        const struct file *file = &tree->files[one->file + i];
        PyObject *row = Py_BuildValue("NLLK", decoded(tree, file->name), file->size, file->mtime, file->inode);
        if (!row || PyList_SetItem(found, (Py_ssize_t)i, row)) Py_CLEAR(found);
    }
    return found;
}

static PyObject *children_of(const struct tree *tree, const struct directory *one) {
    PyObject *found = PyList_New((Py_ssize_t)one->children);
    for (size_t i = 0; found && i < one->children; i++) {
        PyObject *path = decoded(tree, tree->children[one->child + i]);
        if (!path || PyList_SetItem(found, (Py_ssize_t)i, path)) Py_CLEAR(found);
    }
    return found;
}

static PyObject *values(const struct tree *tree) {
    PyObject *found = PyList_New((Py_ssize_t)tree->directory_used);
    for (size_t i = 0; found && i < tree->directory_used; i++) {
        const struct directory *one = &tree->directories[i];
        PyObject *row = Py_BuildValue("N(LK)NN", decoded(tree, one->name), one->mtime, one->inode, children_of(tree, one),
                                      files_of(tree, one));
        if (!row || PyList_SetItem(found, (Py_ssize_t)i, row)) Py_CLEAR(found);
    }
    return found;
}

static PyObject *listed(PyObject *module, PyObject *arguments) {
    PyObject *top, *suffixes, *found = NULL;
    struct tree tree = {0};
    (void)module;
    if (!PyArg_ParseTuple(arguments, "O&O!l", PyUnicode_FSConverter, &top, &PyTuple_Type, &suffixes, &tree.deepest)) return NULL;
    const char *path = PyBytes_AsString(top);
    tree.suffixes = (int)PyTuple_Size(suffixes);
    if (tree.suffixes > SUFFIXES) PyErr_SetString(PyExc_ValueError, "too many suffixes");
    for (int i = 0; !PyErr_Occurred() && i < tree.suffixes; i++) {
        Py_ssize_t length = 0;
        tree.suffix[i] = PyUnicode_AsUTF8AndSize(PyTuple_GetItem(suffixes, i), &length);
        tree.suffix_length[i] = (size_t)length;
    }
    if (!PyErr_Occurred()) {
        int done;
        Py_BEGIN_ALLOW_THREADS
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        done = fd < 0 ? 0 : walk(&tree, fd, (struct name){0, 0}, 0);
        Py_END_ALLOW_THREADS
        found = done == 1 ? values(&tree) : done ? PyErr_NoMemory() : Py_NewRef(Py_None);
    }
    free(tree.text);
    free(tree.files);
    free(tree.children);
    free(tree.directories);
    Py_DECREF(top);
    return found;
}

/* Strings for openat, one after the other, each with its zero; NULL with an exception set. */
static char *strings(PyObject *paths, Py_ssize_t count) {
    char *text = NULL;
    size_t used = 0, size = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *path = NULL;
        char *bytes;
        Py_ssize_t length;
        PyObject *one = PyList_GetItem(paths, i); /* NULL if code of an earlier one made the list shorter */
        int kept = one && PyUnicode_FSConverter(one, &path) && !PyBytes_AsStringAndSize(path, &bytes, &length);
        if (kept && !(kept = room((void **)&text, 1, used, &size, (size_t)length + 1))) PyErr_NoMemory();
        if (kept) {
            memcpy(text + used, bytes, (size_t)length + 1);
            used += (size_t)length + 1;
        }
        Py_XDECREF(path);
        if (!kept) {
            free(text);
            return NULL;
        }
    }
    return text ? text : calloc(1, 1);
}

struct stamp {
    long long mtime;
    unsigned long long inode;
    int there;
};

static PyObject *stamps(PyObject *module, PyObject *arguments) {
    PyObject *top, *paths, *found = NULL;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "O&O!", PyUnicode_FSConverter, &top, &PyList_Type, &paths)) return NULL;
    const char *place = PyBytes_AsString(top);
    Py_ssize_t count = PyList_Size(paths);
    char *text = strings(paths, count);
    struct stamp *now = text ? calloc((size_t)count + 1, sizeof *now) : NULL;
    if (text && !now) PyErr_NoMemory();
    if (now) {
        Py_BEGIN_ALLOW_THREADS
        int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const char *path = text;
        for (Py_ssize_t i = 0; fd >= 0 && i < count; i++, path += strlen(path) + 1) {
            struct stat status;
            long long mtime;
            if (*path ? fstatat(fd, path, &status, AT_SYMLINK_NOFOLLOW) : fstat(fd, &status)) continue;
            if (nanoseconds(&status, &mtime)) now[i] = (struct stamp){mtime, status.st_ino, S_ISDIR(status.st_mode)};
        }
        if (fd >= 0) close(fd);
        Py_END_ALLOW_THREADS
        found = PyList_New(count);
    }
    for (Py_ssize_t i = 0; found && i < count; i++) {
        PyObject *one = now[i].there ? Py_BuildValue("LK", now[i].mtime, now[i].inode) : Py_NewRef(Py_None);
        if (!one || PyList_SetItem(found, i, one)) Py_CLEAR(found);
    }
    free(now);
    free(text);
    Py_DECREF(top);
    return found;
}

static PyMethodDef METHODS[] = {
    {"stamps", stamps, METH_VARARGS, "stamps(top, directories): (mtime, inode) of each directory, or None for it"},
    {"listed", listed, METH_VARARGS, "listed(top, suffixes, deepest): (path, stamp, directories, packages) of each directory, or None"},
    {NULL, NULL, 0, NULL},
};
static PyModuleDef_Slot SLOTS[] = {{0, NULL}};
static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "portage_ext.pkgdir._tree", "A whole tree of packages.", 0, METHODS, SLOTS, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__tree(void) { return PyModuleDef_Init(&MODULE); }
