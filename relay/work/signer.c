/* Signs what is sent, by OpenSSL; must never tell anybody a secret, not even the part of one that is malformed. */
#include "signer.h"

#include <inttypes.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "whsec_"
#define SPACE " \t\r\n"
enum {
    LEAST_BYTES = 24, /* both as Standard Webhooks says */
    MOST_DIGITS = 88, /* the base64 of SIGNER_MOST_BYTES */
    SHA256_BYTES = 32,
};

/* Base64 with or without its padding; -1: it is none, or too long. */
static int decode(const char *text, size_t size, unsigned char out[MOST_DIGITS])
{
    unsigned char padded[MOST_DIGITS];
    while (size > 0 && text[size - 1] == '=')
        size--;
    if (size > MOST_DIGITS || size % 4 == 1 ||
        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") < size)
        return -1;
    size_t whole = (size + 3) / 4 * 4;
    memset(padded, '=', sizeof padded);
    memcpy(padded, text, size);
    int n = EVP_DecodeBlock(out, padded, (int)whole);
    OPENSSL_cleanse(padded, sizeof padded);
    return n < 0 ? -1 : n - (int)(whole - size);
}

static const char *read_one(signer *s, const char *text, size_t size)
{
    unsigned char bytes[MOST_DIGITS];
    if (s->n_secrets == SIGNER_MOST_SECRETS)
        return "is one too many; at most 8 are taken";
    if (size < strlen(PREFIX) || memcmp(text, PREFIX, strlen(PREFIX)) != 0)
        return "does not begin with " PREFIX;
    int n = decode(text + strlen(PREFIX), size - strlen(PREFIX), bytes);
    const char *fault = NULL;
    if (n < 0)
        fault = "is no base64 behind " PREFIX ", or too long";
    else if (n < LEAST_BYTES || n > SIGNER_MOST_BYTES)
        fault = "has to be of 24 to 64 bytes";
    else {
        memcpy(s->secrets[s->n_secrets].bytes, bytes, (size_t)n);
        s->secrets[s->n_secrets++].size = (size_t)n;
    }
    OPENSSL_cleanse(bytes, sizeof bytes);
    return fault;
}

bool signer_read(signer *s, const char *text, char *message, size_t message_size)
{
    *s = (signer){0};
    const char *at = text + strspn(text, SPACE);
    const char *fault = *at ? NULL : "is missing";
    int n = 1;
    while (*at && !fault) {
        size_t size = strcspn(at, SPACE);
        fault = read_one(s, at, size);
        n += !fault;
        at += size + strspn(at + size, SPACE);
    }
    if (!fault)
        return true;
    snprintf(message, message_size, "secret %d %s", n, fault);
    signer_done(s);
    return false;
}

void signer_done(signer *s)
{
    OPENSSL_cleanse(s, sizeof *s);
}

static bool authenticate(EVP_MAC_CTX *ctx, const unsigned char *secret, size_t secret_size, const char *head,
                         const void *body, size_t size, unsigned char out[SHA256_BYTES])
{
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                     OSSL_PARAM_construct_end()};
    size_t n = 0;
    return EVP_MAC_init(ctx, secret, secret_size, parameters) &&
           EVP_MAC_update(ctx, (const unsigned char *)head, strlen(head)) &&
           EVP_MAC_update(ctx, body, size) && EVP_MAC_final(ctx, out, &n, SHA256_BYTES) && n == SHA256_BYTES;
}

bool signer_sign(const signer *s, const char *id, int64_t timestamp_s, const void *body, size_t size,
                 char out[SIGNER_TEXT_SIZE])
{
    char head[1000], *at = out;
    unsigned char code[SHA256_BYTES];
    int n = snprintf(head, sizeof head, "%s.%" PRId64 ".", id, timestamp_s);
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
    bool ok = ctx && n > 0 && (size_t)n < sizeof head;
    for (size_t i = 0; ok && i < s->n_secrets; i++) {
        ok = authenticate(ctx, s->secrets[i].bytes, s->secrets[i].size, head, body, size, code);
        at += sprintf(at, "%sv1,", i > 0 ? " " : "");
        at += EVP_EncodeBlock((unsigned char *)at, code, SHA256_BYTES);
    }
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
    return ok;
}
