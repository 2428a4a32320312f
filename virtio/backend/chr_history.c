// SPDX-License-Identifier: MIT
/*
 * chr_history.c - the output that was last written, for clients that come
 * late or are slow.
 */
#include <string.h>

#include "base/checked.h"
#include "virtio/backend/chr_int.h"

void chr_history_init(struct chr_history *h)
{
	pthread_mutex_init(&h->lock, NULL);
}

void chr_history_fini(struct chr_history *h)
{
	pthread_mutex_destroy(&h->lock);
}

/* Of @len bytes from position @at on, those before the end of the ring. */
static size_t before_wrap(uint64_t at, size_t len)
{
	return min_u64(len, CHR_HISTORY - at % CHR_HISTORY);
}

void chr_history_put(struct chr_history *h, const uint8_t *buf, size_t len)
{
	pthread_mutex_lock(&h->lock);
	while (len) {
		size_t n = before_wrap(h->end, len);

		memcpy(h->buf + h->end % CHR_HISTORY, buf, n);
		h->end += n;
		buf += n;
		len -= n;
	}
	pthread_mutex_unlock(&h->lock);
}

uint64_t chr_history_end(struct chr_history *h)
{
	uint64_t end;

	pthread_mutex_lock(&h->lock);
	end = h->end;
	pthread_mutex_unlock(&h->lock);
	return end;
}

size_t chr_history_get(struct chr_history *h, uint64_t *at, void *buf,
		       size_t len)
{
	pthread_mutex_lock(&h->lock);
	if (h->end - *at > CHR_HISTORY)
		*at = h->end - CHR_HISTORY;
	len = before_wrap(*at, min_u64(len, h->end - *at));
	memcpy(buf, h->buf + *at % CHR_HISTORY, len);
	pthread_mutex_unlock(&h->lock);
	return len;
}
