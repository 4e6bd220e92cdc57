/* Lets user-mode-linux before 6.13 run on a processor whose register state is larger than the room it keeps for it
 * (AMX: 11,008 bytes). The host refuses to set a shorter state than its own: so fill the rest with a valid one.
 * Loaded by LD_PRELOAD in place of the C library's ptrace. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { XSTATE = 0x202, HEADER = 512 };

static long ask(long request, long pid, void *address, void *data) {
  return syscall(SYS_ptrace, request, pid, address, data);
}

static long set_registers(long request, long pid, void *address, struct iovec *given) {
  static unsigned char state[65536] __attribute__((aligned(64)));
  static size_t full;
  struct iovec whole = {state, sizeof state};
  if (!full)
    full = ask(PTRACE_GETREGSET, pid, address, &whole) == 0 ? whole.iov_len : given->iov_len;
  if (given->iov_len >= full)
    return ask(request, pid, address, given);
  memset(state, 0, full);
  memcpy(state, given->iov_base, given->iov_len);
  /* The parts that the guest knows nothing of (tiles, extended registers) start from nothing. */
  uint64_t *present = (uint64_t *)(state + HEADER);
  *present &= ~((1ULL << 17) | (1ULL << 18) | (1ULL << 19));
  whole.iov_len = full;
  return ask(request, pid, address, &whole);
}

long ptrace(enum __ptrace_request request, ...) {
  va_list rest;
  va_start(rest, request);
  long pid = va_arg(rest, int);
  void *address = va_arg(rest, void *), *data = va_arg(rest, void *);
  va_end(rest);
  if (request == PTRACE_SETREGSET && (long)address == XSTATE && data)
    return set_registers(request, pid, address, data);
  if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
    /* The C library returns the word itself, the kernel writes it to where `data` points. */
    long word, failed = ask(request, pid, address, &word);
    if (failed >= 0) errno = 0;
    return failed < 0 ? failed : word;
  }
  return ask(request, pid, address, data);
}
