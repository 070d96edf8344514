// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdlib.h>

#include "ferryctl.h"

#define MAX_DEPTH 8

static bool printed;

struct json {
	FILE *to;
	char *text;
	size_t size;
	unsigned int depth;
	char ends[MAX_DEPTH];
	bool first;
};

static void out_of_memory(void)
{
	exit(failed("out of memory"));
}

/*
 * Returns the length of the UTF-8 sequence at @at, 0 if invalid (RFC 3629,
 * section 4).
 */
static size_t sequence(const unsigned char *at)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n, i;

	if (*at < 0x80)
		return 1;
	if (*at < 0xc2 || *at > 0xf4)
		return 0;
	n = *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
	if (*at == 0xe0)
		low = 0xa0;
	else if (*at == 0xed)
		high = 0x9f;
	else if (*at == 0xf0)
		low = 0x90;
	else if (*at == 0xf4)
		high = 0x8f;
	for (i = 1; i < n; i++) {
		if (at[i] < low || at[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return n;
}

static void quote(FILE *to, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t n;

	fputc('"', to);
	for (; *at; at += n ?: 1) {
		n = sequence(at);
		if (!n)
			fputs("\\ufffd", to);
		else if (*at < ' ' || *at == 0x7f)
			fprintf(to, "\\u%04x", *at);
		else if (*at == '"' || *at == '\\')
			fprintf(to, "\\%c", *at);
		else
			fwrite(at, 1, n, to);
	}
	fputc('"', to);
}

static void begin(struct json *json, const char *key)
{
	if (!json->first)
		fputc(',', json->to);
	if (json->depth)
		fprintf(json->to, "\n%*s", (int)json->depth * 3, "");
	json->first = false;
	if (!key)
		return;
	quote(json->to, key);
	fputs(": ", json->to);
}

void json_open(struct json *json, const char *key, char bracket)
{
	begin(json, key);
	fputc(bracket, json->to);
	json->ends[json->depth++] = bracket == '{' ? '}' : ']';
	json->first = true;
}

void json_close(struct json *json)
{
	char end = json->ends[--json->depth];

	if (json->first)
		fputc(end, json->to);
	else
		fprintf(json->to, "\n%*s%c", (int)json->depth * 3, "", end);
	json->first = false;
}

struct json *json_create(void)
{
	struct json *json = calloc(1, sizeof(*json));

	if (json)
		json->to = open_memstream(&json->text, &json->size);
	if (!json || !json->to)
		out_of_memory();
	json->first = true;
	json_open(json, NULL, '{');
	return json;
}

void json_text(struct json *json, const char *key, const char *text)
{
	begin(json, key);
	quote(json->to, text);
}

void json_number(struct json *json, const char *key, unsigned long long value)
{
	begin(json, key);
	fprintf(json->to, "%llu", value);
}

void json_ratio(struct json *json, const char *key, double value)
{
	begin(json, key);
	if (isfinite(value))
		fprintf(json->to, "%.4f", value);
	else
		fputs("null", json->to);
}

void json_bool(struct json *json, const char *key, bool value)
{
	begin(json, key);
	fputs(value ? "true" : "false", json->to);
}

void json_drop(struct json *json)
{
	fclose(json->to);
	free(json->text);
	free(json);
}

bool json_was_printed(void)
{
	return printed;
}

void json_print(struct json *json)
{
	json_close(json);
	if (fclose(json->to))
		out_of_memory();
	puts(json->text);
	printed = true;
	free(json->text);
	free(json);
}
