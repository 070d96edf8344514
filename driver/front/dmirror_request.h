/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FERRY_FRONT_DMIRROR_REQUEST_H
#define FERRY_FRONT_DMIRROR_REQUEST_H

struct ferry_dmirror_cmd;
struct ferry_mirror;

int ferry_dmirror_request(struct ferry_mirror *mirror, unsigned int number,
			  struct ferry_dmirror_cmd *cmd);

#endif
