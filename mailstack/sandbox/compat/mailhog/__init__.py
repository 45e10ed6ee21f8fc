"""MailHog's APIs v1 and v2, on our letters: `shapes` are what it says, `messages` its pages, `events` its streams, `jim` its monkey."""
