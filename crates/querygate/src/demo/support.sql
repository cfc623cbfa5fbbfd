-- The demo's support desk, for MariaDB: made-up people. Each statement stands on a line of its own, as a server's init file wants it.
CREATE DATABASE support CHARACTER SET utf8mb4;
CREATE TABLE support.contacts (id int PRIMARY KEY, full_name varchar(80) NOT NULL, email varchar(120) NOT NULL, phone varchar(40) NOT NULL, country char(2) NOT NULL);
CREATE TABLE support.tickets (id int PRIMARY KEY, contact_id int NOT NULL, opened date NOT NULL, subject varchar(120) NOT NULL, text text NOT NULL, FOREIGN KEY (contact_id) REFERENCES support.contacts (id));
INSERT INTO support.contacts VALUES (1, 'Ada Okafor', 'ada.okafor@example.com', '+44 20 7946 0011', 'GB'), (2, 'Bruno Keller', 'bruno.keller@example.net', '+49 30 5550 1202', 'DE'), (3, 'Chiara Conti', 'chiara.conti@example.org', '+39 06 5550 0303', 'IT');
INSERT INTO support.tickets VALUES (1, 2, '2026-03-02', 'Card refused', 'My card 4111 1111 1111 1111 was refused twice, please call +49 30 5550 1202'), (2, 1, '2026-03-05', 'Wrong size', 'Please send me the larger one'), (3, 2, '2026-03-09', 'Invoice', 'Send it to bruno.keller@example.net');
