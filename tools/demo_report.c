// SPDX-License-Identifier: MIT
/* Report of ferryctl demo: one row for each engine. */
#include <inttypes.h>
#include <string.h>

#include "demo.h"
#include "ferry.h"

/*
 * Columns of the report. More columns follow: every outcome of at least one
 * page, except "moved".
 */
enum {
	COL_ENGINE,
	COL_MOVED,
	COL_WAY_BACK,
	COL_FLUSHES_OUT,
	COL_FLUSHES_BACK,
	COL_FIRST_OUTCOME,
};

static const struct sheet_column columns[] = {
	[COL_ENGINE] = { "engine", SHEET_TEXT },
	[COL_MOVED] = { "moved", SHEET_NUMBER },
	[COL_WAY_BACK] = { "way-back", SHEET_TEXT },
	[COL_FLUSHES_OUT] = { "flushes-to-device", SHEET_RATIO },
	[COL_FLUSHES_BACK] = { "flushes-to-system", SHEET_RATIO },
};

/* Lists the outcomes of at least one page, except "moved"; 0 ends the list. */
static void list_outcomes(const struct demo *demo, uint8_t *seen)
{
	int i, o;

	for (o = DRM_FERRY_MOVED + 1; o < NOUTCOMES; o++)
		for (i = 0; i < demo->nengines; i++)
			if (demo->engines[i].by_outcome[o]) {
				*seen++ = o;
				break;
			}
	*seen = 0;
}

static void add_engine(struct sheet *sheet, const struct engine *engine, const uint8_t *seen)
{
	int i;

	sheet_row(sheet);
	sheet_text(sheet, COL_ENGINE, engine->name);
	sheet_number(sheet, COL_MOVED, engine->moved);
	sheet_text(sheet, COL_WAY_BACK, engine->by_fault ? "CPU fault" : "ioctl");
	if (engine->tlb_out.known && engine->moved)
		sheet_ratio(sheet, COL_FLUSHES_OUT, tlb_per_page(&engine->tlb_out, engine->moved));
	if (engine->tlb_back.known && engine->moved)
		sheet_ratio(sheet, COL_FLUSHES_BACK,
			    tlb_per_page(&engine->tlb_back, engine->moved));
	for (i = 0; seen[i]; i++)
		sheet_number(sheet, COL_FIRST_OUTCOME + i, engine->by_outcome[seen[i]]);
}

static void add_engines(const struct demo *demo, struct json *json)
{
	struct sheet_column all[COL_FIRST_OUTCOME + NOUTCOMES];
	struct sheet *sheet;
	uint8_t seen[NOUTCOMES];
	int i;

	list_outcomes(demo, seen);
	memcpy(all, columns, sizeof(columns));
	for (i = 0; seen[i]; i++)
		all[COL_FIRST_OUTCOME + i] = (struct sheet_column) {
			ferry_outcome_name(seen[i]), SHEET_NUMBER };
	sheet = sheet_create(json, "engines", all, COL_FIRST_OUTCOME + i);
	for (i = 0; i < demo->nengines; i++)
		add_engine(sheet, &demo->engines[i], seen);
	sheet_end(sheet);
}

static void report_json(const struct demo *demo, bool whole)
{
	struct json *json = json_create();

	json_text(json, "file", demo->path);
	json_number(json, "size", demo->size);
	json_number(json, "device", common.device);
	add_engines(demo, json);
	json_number(json, "checked", demo->checked);
	json_bool(json, "interrupted", !whole);
	json_print(json);
}

static void report_text(const struct demo *demo, bool whole)
{
	char size[SIZE_TEXT];

	printf("%s: %s\n", demo->path, size_text(demo->size, size));
	add_engines(demo, NULL);
	if (demo->engines[0].tlb_out.known)
		printf("pages moved to the device, and TLB flushes for each of them\n");
	else
		printf("TLB flushes: this kernel does not count them (CONFIG_DEBUG_TLBFLUSH)\n");
	if (whole)
		printf("ferry: %" PRIu64 " pages to the device and back, checksum OK\n",
		       demo->engines[0].moved);
}

int demo_report(const struct demo *demo, int ret)
{
	char checked[SIZE_TEXT], size[SIZE_TEXT];

	if (ret == FERRYCTL_FAILED)
		return ret;
	bar_clear();
	if (common.json)
		report_json(demo, !ret);
	else
		report_text(demo, !ret);
	if (ret)
		failed("interrupted: %s of %s went to the device and back, checksum OK",
		       size_text(demo->checked, checked), size_text(demo->size, size));
	return ret;
}
