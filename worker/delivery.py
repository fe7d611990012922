"""The worker's post: its channels and its contacts, as the settings have them.

Only put together here; how messages go is in `duologue.activities`.
"""

from __future__ import annotations

from datetime import timedelta

from duologue.activities import (
    Channel,
    ConsoleChannel,
    Contact,
    Contacts,
    ContactsError,
    ContactsFile,
    Everyone,
    Pace,
    Post,
    VaultContacts,
)
from duologue.activities.by_apprise import AppriseChannel
from duologue.activities.by_email import EmailChannel, MailServer
from duologue.activities.by_webhook import WebhookChannel
from duologue.vault import Vault
from duologue.worker.errors import SettingsError
from duologue.worker.settings import Settings, spans


def post_of(settings: Settings, vault: Vault) -> Post:
    """The post that `settings` describe, to those whom `vault` knows. Raises `SettingsError` for unusable contacts."""
    timeout = timedelta(seconds=settings.delivery_timeout)
    channels: list[Channel] = [ConsoleChannel(), AppriseChannel(timeout)]
    if settings.smtp_host:
        channels.append(EmailChannel(_mail_server(settings, timeout)))
    if settings.webhook_url:
        secrets = settings.webhook_secret.get_secret_value().split()
        channels.append(WebhookChannel(settings.webhook_url, secrets, timeout=timeout))
    contacts = VaultContacts(vault, otherwise=_contacts(settings))
    return Post(
        contacts, channels, patience=settings.delivery_patience, timeout=timeout, pace=pace_of(settings)
    )


def pace_of(settings: Settings) -> Pace:
    """The motions that a notice and what goes out in its place both go through."""
    return Pace(
        span=timedelta(seconds=settings.notice_span),
        again=spans(settings.notice_waits),
        later=spans(settings.notice_last_waits),
    )


def _mail_server(settings: Settings, timeout: timedelta) -> MailServer:
    return MailServer(
        host=settings.smtp_host,
        sender=settings.smtp_from,
        security=settings.smtp_security,
        port=settings.smtp_port,
        user=settings.smtp_user,
        password=settings.smtp_password.get_secret_value(),
        timeout=timeout,
    )


def _contacts(settings: Settings) -> Contacts:
    """How those are reached of whom the vault keeps nothing: by the file, else by the webhook, else on the console."""
    if settings.contacts is None:
        return Everyone(Contact(channel="webhook" if settings.webhook_url else "console"))
    contacts = ContactsFile(settings.contacts)
    try:
        contacts.check()
    except ContactsError as error:
        raise SettingsError(str(error), f"Correct {settings.contacts}, or unset DUOLOGUE_CONTACTS.") from None
    return contacts
