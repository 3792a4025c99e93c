-- name: token
-- The encrypted key of one user for one provider.
SELECT CASE %(provider)s
         WHEN 'openai' THEN openai_api_key_encrypted
         WHEN 'anthropic' THEN anthropic_api_key_encrypted
         WHEN 'google' THEN google_api_key_encrypted
         WHEN 'perplexity' THEN perplexity_api_key_encrypted
       END AS token
FROM user_llm_api_keys
WHERE user_id = %(user_id)s;

-- name: tokens_of
-- The encrypted keys of these users, one column for each provider.
SELECT user_id,
       openai_api_key_encrypted AS openai,
       anthropic_api_key_encrypted AS anthropic,
       google_api_key_encrypted AS google,
       perplexity_api_key_encrypted AS perplexity
FROM user_llm_api_keys
WHERE user_id = ANY (%(user_ids)s::bigint[]);

-- name: page
-- A page of users with an encrypted key, in order, after this one.
SELECT k.user_id,
       u.email,
       k.openai_api_key_encrypted AS openai,
       k.anthropic_api_key_encrypted AS anthropic,
       k.google_api_key_encrypted AS google,
       k.perplexity_api_key_encrypted AS perplexity
FROM user_llm_api_keys k
JOIN users u ON u.id = k.user_id
WHERE k.user_id > %(after)s
  AND num_nonnulls(k.openai_api_key_encrypted, k.anthropic_api_key_encrypted,
                   k.google_api_key_encrypted, k.perplexity_api_key_encrypted) > 0
ORDER BY k.user_id
LIMIT %(size)s;

-- name: owners
-- The number of users with an encrypted key, and one of them.
SELECT count(*) AS users, min(user_id) AS user_id
FROM user_llm_api_keys
WHERE num_nonnulls(openai_api_key_encrypted, anthropic_api_key_encrypted,
                   google_api_key_encrypted, perplexity_api_key_encrypted) > 0;

-- name: put
-- Store one encrypted key; a user without a row gets one with the defaults, an unknown user does not.
INSERT INTO user_llm_api_keys AS k
  (user_id, monthly_budget_usd, openai_api_key_encrypted, anthropic_api_key_encrypted,
   google_api_key_encrypted, perplexity_api_key_encrypted)
SELECT u.id,
       %(monthly_budget_usd)s,
       CASE %(provider)s WHEN 'openai' THEN %(token)s END,
       CASE %(provider)s WHEN 'anthropic' THEN %(token)s END,
       CASE %(provider)s WHEN 'google' THEN %(token)s END,
       CASE %(provider)s WHEN 'perplexity' THEN %(token)s END
FROM users u
WHERE u.id = %(user_id)s
ON CONFLICT (user_id) DO UPDATE
SET openai_api_key_encrypted =
      COALESCE(EXCLUDED.openai_api_key_encrypted, k.openai_api_key_encrypted),
    anthropic_api_key_encrypted =
      COALESCE(EXCLUDED.anthropic_api_key_encrypted, k.anthropic_api_key_encrypted),
    google_api_key_encrypted =
      COALESCE(EXCLUDED.google_api_key_encrypted, k.google_api_key_encrypted),
    perplexity_api_key_encrypted =
      COALESCE(EXCLUDED.perplexity_api_key_encrypted, k.perplexity_api_key_encrypted),
    updated_at = now();

-- name: replace
-- Replace a token that was read, unless it has changed meanwhile.
UPDATE user_llm_api_keys
SET openai_api_key_encrypted =
      CASE %(provider)s WHEN 'openai' THEN %(token)s ELSE openai_api_key_encrypted END,
    anthropic_api_key_encrypted =
      CASE %(provider)s WHEN 'anthropic' THEN %(token)s ELSE anthropic_api_key_encrypted END,
    google_api_key_encrypted =
      CASE %(provider)s WHEN 'google' THEN %(token)s ELSE google_api_key_encrypted END,
    perplexity_api_key_encrypted =
      CASE %(provider)s WHEN 'perplexity' THEN %(token)s ELSE perplexity_api_key_encrypted END,
    updated_at = now()
WHERE user_id = %(user_id)s
  AND CASE %(provider)s
        WHEN 'openai' THEN openai_api_key_encrypted
        WHEN 'anthropic' THEN anthropic_api_key_encrypted
        WHEN 'google' THEN google_api_key_encrypted
        WHEN 'perplexity' THEN perplexity_api_key_encrypted
      END = %(seen)s;

-- name: remove
-- Delete one user's key for one provider.
UPDATE user_llm_api_keys
SET openai_api_key_encrypted =
      CASE %(provider)s WHEN 'openai' THEN NULL ELSE openai_api_key_encrypted END,
    anthropic_api_key_encrypted =
      CASE %(provider)s WHEN 'anthropic' THEN NULL ELSE anthropic_api_key_encrypted END,
    google_api_key_encrypted =
      CASE %(provider)s WHEN 'google' THEN NULL ELSE google_api_key_encrypted END,
    perplexity_api_key_encrypted =
      CASE %(provider)s WHEN 'perplexity' THEN NULL ELSE perplexity_api_key_encrypted END,
    updated_at = now()
WHERE user_id = %(user_id)s
  AND CASE %(provider)s
        WHEN 'openai' THEN openai_api_key_encrypted
        WHEN 'anthropic' THEN anthropic_api_key_encrypted
        WHEN 'google' THEN google_api_key_encrypted
        WHEN 'perplexity' THEN perplexity_api_key_encrypted
      END IS NOT NULL;
