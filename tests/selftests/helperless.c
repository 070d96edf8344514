// SPDX-License-Identifier: MIT
/*
 * Exclusive access without the part that is linked into the kernel, as in a
 * build out of tree. A folio that is mapped by a PMD is still split. A folio
 * that is mapped by PTEs is an error and stays unchanged (docs/compat.md).
 *
 * Shows: exclusive access
 * Guest: helperless
 */
#include "dmirror.h"

FIXTURE(helperless) {
	uint8_t *data;
	size_t npages;
	int fd;
};

FIXTURE_SETUP(helperless)
{
	self->npages = PMD_SIZE / page_size();
	self->fd = test_dmirror_open(0);
	self->data = test_map(PMD_SIZE);
}

FIXTURE_TEARDOWN(helperless)
{
	close(self->fd);
}

TEST_F(helperless, mapped_by_a_pmd)
{
	uint8_t *huge = _test_map_folio(self->fd, false);

	ASSERT_NE(huge, NULL);
	fill_pattern(huge, PMD_SIZE, 1);
	test_cmd(self->fd, HMM_DMIRROR_EXCLUSIVE, huge, self->data, self->npages);
	test_pattern(self->data, PMD_SIZE, 1);
	test_pattern(huge, PMD_SIZE, 1);
}

TEST_F(helperless, mapped_by_ptes)
{
	uint8_t *huge = _test_map_folio(self->fd, true);
	struct hmm_dmirror_cmd cmd;

	ASSERT_NE(huge, NULL);
	fill_pattern(huge, PMD_SIZE, 1);
	ASSERT_EQ(_test_cmd(self->fd, HMM_DMIRROR_EXCLUSIVE, huge, self->data, self->npages,
			    &cmd), -EBUSY);
	test_pattern(huge, PMD_SIZE, 1);
}

TEST_HARNESS_MAIN
