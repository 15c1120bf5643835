// Preloaded into a program, and so into its children: one call of a kind fails.
//   FAULT_KIND    open, write, fsync, rename, mmap, thread, memory; or clock: none fails, but the time of day goes
//                 back by an hour with every call
//   FAULT_NUMBER  which of these calls, counted over all processes, from 1; 0: none
//   FAULT_ERRNO   the error's number
//   FAULT_FOLDER  open and write count below it only (and for relative paths)
//   FAULT_COUNT   a file of 8 bytes: the calls so far
// Calls between functions of the C library do not come here, so the buffered functions are here, too.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char* kind = "";  // of what is counted, while main() runs
static const char* wanted;
static const char* folder = "";
static int64_t number;
static int error;
static _Atomic int64_t* count;
// Where libstdc++ lies: operator new is what calls malloc from there.
static uintptr_t new_first, new_last;

int __libc_start_main(int (*main)(int, char**, char**), int argc, char** argv, void (*init)(void), void (*fini)(void),
                      void (*end)(void), void* stack);
void* __libc_malloc(size_t size);
void* __libc_memalign(size_t alignment, size_t size);

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int find_new(struct dl_phdr_info* info, size_t size, void* unused) {
  (void)size, (void)unused;
  if (strstr(info->dlpi_name, "libstdc++") == NULL) return 0;
  new_first = new_last = info->dlpi_addr;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const uintptr_t end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
    if (info->dlpi_phdr[i].p_type == PT_LOAD && end > new_last) new_last = end;
  }
  return 1;
}

__attribute__((constructor)) static void begin(void) {
  const char* path = getenv("FAULT_COUNT");
  if (path == NULL) return;
  dl_iterate_phdr(find_new, NULL);
  folder = getenv("FAULT_FOLDER");
  number = atoll(getenv("FAULT_NUMBER"));
  error = atoi(getenv("FAULT_ERRNO"));
  const int file = REAL(open)(path, O_RDWR);
  void* shared = REAL(mmap)(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (shared == MAP_FAILED) abort();
  count = shared;
  wanted = getenv("FAULT_KIND");
}

static int (*real_main)(int, char**, char**);

// Constructors and destructors of libraries are outside: some of them do not look at errors.
static int counted_main(int argc, char** argv, char** environment) {
  if (wanted != NULL) kind = wanted;
  const int code = real_main(argc, argv, environment);
  kind = "";
  return code;
}

int __libc_start_main(int (*main)(int, char**, char**), int argc, char** argv, void (*init)(void), void (*fini)(void),
                      void (*end)(void), void* stack) {
  real_main = main;
  return REAL(__libc_start_main)(counted_main, argc, argv, init, fini, end, stack);
}

static int fails(const char* what) {
  if (strcmp(kind, what) != 0 || atomic_fetch_add(count, 1) + 1 != number) return 0;
  errno = error;
  return 1;
}

static int counts(const char* path) { return path[0] != '/' || strncmp(path, folder, strlen(folder)) == 0; }

static int is_data(int file) {
  struct stat info;
  return file >= 0 && fstat(file, &info) == 0 && S_ISREG(info.st_mode);
}

static mode_t mode_of(int flags, va_list arguments) {
  return (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(name, first, given)                                         \
  int name(first const char* path, int flags, ...) {                     \
    va_list arguments;                                                   \
    va_start(arguments, flags);                                          \
    const mode_t mode = mode_of(flags, arguments);                       \
    va_end(arguments);                                                   \
    return counts(path) && fails("open") ? -1 : REAL(name)(given path, flags, mode); \
  }
#define NOTHING
#define COMMA ,
OPEN(open, NOTHING, NOTHING)
OPEN(open64, NOTHING, NOTHING)
OPEN(openat, int at COMMA, at COMMA)
OPEN(openat64, int at COMMA, at COMMA)

FILE* fopen(const char* path, const char* mode) {
  return counts(path) && fails("open") ? NULL : REAL(fopen)(path, mode);
}
FILE* fopen64(const char* path, const char* mode) {
  return counts(path) && fails("open") ? NULL : REAL(fopen64)(path, mode);
}

ssize_t write(int file, const void* data, size_t size) {
  return is_data(file) && fails("write") ? -1 : REAL(write)(file, data, size);
}
size_t fwrite(const void* data, size_t size, size_t items, FILE* file) {
  return is_data(fileno(file)) && fails("write") ? 0 : REAL(fwrite)(data, size, items, file);
}
int fflush(FILE* file) {
  return file != NULL && is_data(fileno(file)) && fails("write") ? EOF : REAL(fflush)(file);
}
int fclose(FILE* file) {
  const int failed = is_data(fileno(file)) && fails("write");
  const int result = REAL(fclose)(file);
  if (!failed) return result;
  errno = error;
  return EOF;
}

int fsync(int file) { return fails("fsync") ? -1 : REAL(fsync)(file); }
int rename(const char* from, const char* to) { return fails("rename") ? -1 : REAL(rename)(from, to); }

void* mmap(void* at, size_t size, int protection, int flags, int file, off_t offset) {
  return fails("mmap") ? MAP_FAILED : REAL(mmap)(at, size, protection, flags, file, offset);
}
void* mmap64(void* at, size_t size, int protection, int flags, int file, off64_t offset) {
  return fails("mmap") ? MAP_FAILED : REAL(mmap64)(at, size, protection, flags, file, offset);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*), void* argument) {
  return fails("thread") ? error : REAL(pthread_create)(thread, attributes, run, argument);
}

int clock_gettime(clockid_t clock, struct timespec* time) {
  const int result = REAL(clock_gettime)(clock, time);
  if (clock == CLOCK_REALTIME && strcmp(kind, "clock") == 0) time->tv_sec -= 3600 * atomic_fetch_add(count, 1);
  return result;
}

void* malloc(size_t size) {
  const uintptr_t caller = (uintptr_t)__builtin_return_address(0);
  if (caller >= new_first && caller < new_last && fails("memory")) return NULL;
  return __libc_malloc(size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  return fails("memory") ? NULL : __libc_memalign(alignment, size);
}
