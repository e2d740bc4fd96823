/* Signatures in the form of Standard Webhooks, version 1: HMAC-SHA256 over ID.TIMESTAMP.BODY. */
#ifndef POSTBUS_WORK_SIGNER_H
#define POSTBUS_WORK_SIGNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGNER_MOST_SECRETS 8
#define SIGNER_MOST_BYTES 64 /* of a secret; 24 at least */

typedef struct signer {
    size_t n_secrets; /* 0: there is nothing to sign with */
    struct {
        unsigned char bytes[SIGNER_MOST_BYTES];
        size_t size;
    } secrets[SIGNER_MOST_SECRETS];
} signer;

/* Reads secrets with white space between: `whsec_`, and the bytes in base64. False: message says which one is wrong, and nothing of what
 * is in it. */
bool signer_read(signer *s, const char *text, char *message, size_t message_size);

/* Forgets the secrets. */
void signer_done(signer *s);

/* Writes "v1,BASE64" for each secret, in their order, with spaces between. False: OpenSSL failed, as a rule for want of memory. */
#define SIGNER_TEXT_SIZE (SIGNER_MOST_SECRETS * 48)
bool signer_sign(const signer *s, const char *id, int64_t timestamp_s, const void *body, size_t size,
                 char out[SIGNER_TEXT_SIZE]);

#endif
