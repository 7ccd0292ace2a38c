"""Routes that change the server. They need an API key, set on the server and sent by the caller."""

from dataclasses import dataclass

from fastapi import APIRouter, Depends
from starlette.requests import Request

from server.errors import DrainingError, ReloadFailedError, UnauthorizedError
from server.http.dependencies import ClassifierDependency, SettingsDependency, require_api_key
from server.http.openapi import responses
from server.inference.reload import ReloadableClassifier


async def require_locked_api(request: Request, settings: SettingsDependency) -> None:
    """Refuse if no key is set: a server that is open to all must not be changed from outside."""
    if not settings.api_keys:
        raise UnauthorizedError("admin routes need a key: set VERDICT_API_KEY on the server and send it")
    await require_api_key(request)


router = APIRouter(prefix="/admin", dependencies=[Depends(require_locked_api)], tags=["operations"])


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The version that took over, and the one before."""

    name: str
    version: str
    previous_version: str


@router.post("/reload", responses=responses(UnauthorizedError, ReloadFailedError, DrainingError))
async def reload(classifier: ClassifierDependency) -> Reloaded:
    """Load the artifact again and let it take over between two requests."""
    if not isinstance(classifier, ReloadableClassifier):
        raise ReloadFailedError("this server was given its classifier by code, there is no artifact to load")
    previous = classifier.info.version
    await classifier.reload()
    return Reloaded(classifier.info.name, classifier.info.version, previous)
