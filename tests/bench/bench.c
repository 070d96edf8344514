// SPDX-License-Identifier: MIT
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define FEW_PAGES 512
#define MANY_PAGES 65536
#define MIN_ROUNDS 9

void die(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "bench: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

uint64_t ticks(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

int count_cpus(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

void pin_to_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("CPU %d cannot be had: %m", cpu);
}

size_t number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || *end)
		die("'%s' is not a number", text);
	return value;
}

struct rounds rounds_for(size_t rounds, size_t npages)
{
	if (npages <= FEW_PAGES)
		return (struct rounds){ 1, 1 + (rounds > MIN_ROUNDS ? rounds : MIN_ROUNDS) };
	if (npages > MANY_PAGES)
		return (struct rounds){ 0, 1 };
	return (struct rounds){ 1, 1 + rounds };
}

static void print_key(const char *format, va_list args, const char *more)
{
	vprintf(format, args);
	printf("%s ", more);
}

void fact(double value, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_key(format, args, "");
	va_end(args);
	printf("%.10g\n", value);
	fflush(stdout);
}

void sample(struct samples *samples, double value)
{
	if (samples->n == MAX_ROUNDS)
		die("more than %d rounds", MAX_ROUNDS);
	samples->value[samples->n++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double median(struct samples *samples)
{
	size_t n = samples->n;

	if (!n)
		die("a median of nothing");
	qsort(samples->value, n, sizeof(*samples->value), compare);
	return (samples->value[(n - 1) / 2] + samples->value[n / 2]) / 2;
}

void spread(struct samples *samples, const char *format, ...)
{
	static const char *const names[] = { ".median", ".min", ".max" };
	const double values[] = {
		median(samples), samples->value[0], samples->value[samples->n - 1],
	};
	va_list args;
	int i;

	for (i = 0; i < 3; i++) {
		va_start(args, format);
		print_key(format, args, names[i]);
		va_end(args);
		printf("%.10g\n", values[i]);
	}
	fflush(stdout);
}
