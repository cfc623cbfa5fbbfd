-- A forum, written from memory of Discourse's schema.
CREATE TABLE users (id serial PRIMARY KEY, username varchar(60) NOT NULL, username_lower varchar(60) NOT NULL, name varchar, created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL, last_posted_at timestamp, password_hash varchar(64), salt varchar(32), password_algorithm varchar(64), active boolean NOT NULL DEFAULT false,
  admin boolean NOT NULL DEFAULT false, last_seen_at timestamp, trust_level int NOT NULL, approved boolean NOT NULL DEFAULT false, approved_by_id int, title varchar,
  views int NOT NULL DEFAULT 0, flag_level int NOT NULL DEFAULT 0, ip_address inet, registration_ip_address inet, primary_group_id int, locale varchar(10),
  uploaded_avatar_id int, date_of_birth date, secure_identifier varchar, silenced_till timestamp, staged boolean NOT NULL DEFAULT false, group_locked_trust_level int);
CREATE TABLE user_emails (id serial PRIMARY KEY, user_id int NOT NULL, email varchar(513) NOT NULL, normalized_email varchar, "primary" boolean NOT NULL DEFAULT false, created_at timestamp NOT NULL);
CREATE TABLE user_profiles (user_id int PRIMARY KEY, location varchar(3000), website varchar(3000), bio_raw text, bio_cooked text, bio_cooked_version int,
  dismissed_banner_key int, views int NOT NULL DEFAULT 0, profile_background_upload_id int, badge_granted_title boolean, granted_title_badge_id int);
CREATE TABLE user_options (user_id int PRIMARY KEY, mailing_list_mode boolean NOT NULL DEFAULT false, mailing_list_mode_frequency int NOT NULL DEFAULT 1, email_digests boolean, email_level int NOT NULL DEFAULT 1,
  email_messages_level int NOT NULL DEFAULT 0, digest_after_minutes int, theme_key_seq int NOT NULL DEFAULT 0, timezone varchar, color_scheme_id int, homepage_id int, email_in_reply_to boolean);
CREATE TABLE user_auth_tokens (id serial PRIMARY KEY, user_id int NOT NULL, auth_token varchar NOT NULL, prev_auth_token varchar NOT NULL, user_agent varchar, auth_token_seen boolean NOT NULL DEFAULT false,
  client_ip inet, rotated_at timestamp NOT NULL, created_at timestamp NOT NULL);
CREATE TABLE user_second_factors (id bigserial PRIMARY KEY, user_id int NOT NULL, method int NOT NULL, data varchar NOT NULL, enabled boolean NOT NULL DEFAULT false, last_used timestamp, name varchar);
CREATE TABLE user_api_keys (id serial PRIMARY KEY, user_id int NOT NULL, client_id varchar NOT NULL, key_hash varchar NOT NULL, application_name varchar NOT NULL, push_url varchar, revoked_at timestamp, last_used_at timestamp);
CREATE TABLE api_keys (id serial PRIMARY KEY, user_id int, created_by_id int, allowed_ips inet[], hidden boolean NOT NULL DEFAULT false, description text, key_hash varchar NOT NULL, truncated_key varchar NOT NULL);
CREATE TABLE email_tokens (id serial PRIMARY KEY, user_id int NOT NULL, email varchar NOT NULL, token_hash varchar NOT NULL, confirmed boolean NOT NULL DEFAULT false, expired boolean NOT NULL DEFAULT false, scope int);
CREATE TABLE email_logs (id serial PRIMARY KEY, to_address varchar NOT NULL, email_type varchar NOT NULL, user_id int, post_id int, bounce_key uuid, bounced boolean NOT NULL DEFAULT false, message_id varchar, cc_addresses text, bounce_error_code varchar, smtp_transaction_response varchar(500));
CREATE TABLE incoming_emails (id serial PRIMARY KEY, user_id int, topic_id int, post_id int, raw text, error text, message_id text, from_address text, to_addresses text, cc_addresses text, subject text, rejection_message text, is_auto_generated boolean, imap_uid int);
CREATE TABLE invites (id serial PRIMARY KEY, invite_key varchar(32) NOT NULL, email varchar, invited_by_id int NOT NULL, redeemed_at timestamp, custom_message text, domain varchar, email_token varchar, max_redemptions_allowed int NOT NULL DEFAULT 1);
CREATE TABLE posts (id serial PRIMARY KEY, user_id int, topic_id int NOT NULL, post_number int NOT NULL, raw text NOT NULL, cooked text NOT NULL, reply_to_post_number int, reply_count int NOT NULL DEFAULT 0,
  like_count int NOT NULL DEFAULT 0, post_type int NOT NULL DEFAULT 1, sort_order int, version int NOT NULL DEFAULT 1, cook_method int NOT NULL DEFAULT 1, edit_reason varchar, word_count int, raw_email text, locked_by_id int, image_upload_id int, percent_rank float);
CREATE TABLE topics (id serial PRIMARY KEY, title varchar NOT NULL, fancy_title varchar, slug varchar, views int NOT NULL DEFAULT 0, posts_count int NOT NULL DEFAULT 0, user_id int, category_id int, archetype varchar NOT NULL DEFAULT 'regular', excerpt text, score float);
CREATE TABLE categories (id serial PRIMARY KEY, name varchar(50) NOT NULL, color varchar(6) NOT NULL, slug varchar NOT NULL, description text, text_color varchar(6), email_in varchar, position int, name_lower varchar(50), mailinglist_mirror boolean);
CREATE TABLE groups (id serial PRIMARY KEY, name varchar NOT NULL, full_name varchar, user_count int NOT NULL DEFAULT 0, incoming_email text, bio_raw text, title varchar, email_username varchar, email_password varchar, smtp_server varchar, smtp_port int, imap_server varchar, visibility_level int);
CREATE TABLE badges (id serial PRIMARY KEY, name varchar NOT NULL, description text, badge_type_id int NOT NULL, icon varchar, query text, long_description text);
CREATE TABLE tags (id serial PRIMARY KEY, name varchar NOT NULL, description varchar(1000), public_topic_count int NOT NULL DEFAULT 0);
CREATE TABLE site_settings (id serial PRIMARY KEY, name varchar NOT NULL, value text, data_type int NOT NULL);
CREATE TABLE screened_emails (id serial PRIMARY KEY, email varchar NOT NULL, action_type int NOT NULL, match_count int NOT NULL DEFAULT 0, last_match_at timestamp, ip_address inet);
CREATE TABLE screened_ip_addresses (id serial PRIMARY KEY, ip_address inet NOT NULL, action_type int NOT NULL, match_count int NOT NULL DEFAULT 0);
CREATE TABLE single_sign_on_records (id serial PRIMARY KEY, user_id int NOT NULL, external_id varchar NOT NULL, last_payload text NOT NULL, external_username varchar, external_email varchar, external_name varchar, external_avatar_url varchar(1000));
CREATE TABLE user_associated_accounts (id bigserial PRIMARY KEY, provider_name varchar NOT NULL, provider_uid varchar NOT NULL, user_id int, last_used timestamp NOT NULL, info jsonb NOT NULL DEFAULT '{}', credentials jsonb NOT NULL DEFAULT '{}', extra jsonb NOT NULL DEFAULT '{}');
CREATE TABLE search_logs (id serial PRIMARY KEY, term varchar NOT NULL, user_id int, ip_address inet, search_result_id int, search_type int NOT NULL, user_agent varchar(2000));
CREATE TABLE topic_views (topic_id int NOT NULL, viewed_at date NOT NULL, user_id int, ip_address inet);
CREATE TABLE user_histories (id serial PRIMARY KEY, action int NOT NULL, acting_user_id int, target_user_id int, details text, context varchar, ip_address varchar, email varchar, subject text, previous_value text, new_value text, topic_id int);
CREATE TABLE chat_messages (id bigserial PRIMARY KEY, chat_channel_id int NOT NULL, user_id int, message text, cooked text, cooked_version int, in_reply_to_id int, deleted_at timestamp);
CREATE TABLE web_hooks (id serial PRIMARY KEY, payload_url varchar NOT NULL, content_type int NOT NULL DEFAULT 1, last_delivery_status int NOT NULL DEFAULT 1, secret varchar DEFAULT '', active boolean NOT NULL DEFAULT false);
CREATE TABLE uploads (id serial PRIMARY KEY, user_id int NOT NULL, original_filename varchar NOT NULL, filesize int NOT NULL, width int, height int, url varchar NOT NULL, sha1 varchar(40), origin varchar(1000), extension varchar(10));
INSERT INTO single_sign_on_records (user_id, external_id, last_payload, external_email) SELECT n, n::text, 'email=user' || n || '%40example.com&name=x&mail=u' || n || '@example.com', 'u' || n || '@example.com' FROM generate_series(1, 20) n;
INSERT INTO user_associated_accounts (provider_name, provider_uid, last_used, info) SELECT 'google', n::text, now(), jsonb_build_object('email', 'u' || n || '@example.com', 'name', 'User ' || n) FROM generate_series(1, 20) n;
INSERT INTO user_histories (action, details, previous_value, new_value) SELECT n % 5, 'changed trust level', 'old' || n || '@example.com', 'new' || n || '@example.com' FROM generate_series(1, 20) n;
INSERT INTO posts (topic_id, post_number, raw, cooked) SELECT n, 1, 'a post about topic ' || n, '<p>a post about topic ' || n || '</p>' FROM generate_series(1, 20) n;
INSERT INTO site_settings (name, value, data_type) SELECT 'setting_' || n, CASE WHEN n = 3 THEN 'admin@example.com' ELSE 'true' END, 5 FROM generate_series(1, 60) n;
INSERT INTO uploads (user_id, original_filename, filesize, url, sha1) SELECT n, 'image' || n || '.png', n * 1000, '/uploads/' || n, md5(n::text) FROM generate_series(1, 20) n;
