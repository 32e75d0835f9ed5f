//! The objects: files in a directory, by `s3s-fs`, which takes each key for somebody of his own. Here all keys
//! are sessions of one role, so that an upload that one began can be ended by the next. Listings are our own.

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput,
    DeleteObjectsOutput, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput,
    ListObjectsV2Input, ListObjectsV2Output, Object, PutObjectInput, PutObjectOutput, Timestamp,
    UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result};
use s3s_fs::FileSystem;
use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};

/// How many objects a page of a listing has at most, as S3's.
const PAGE: usize = 1000;

#[derive(Debug)]
pub(crate) struct Objects {
    files: FileSystem,
    root: PathBuf,
}

impl Objects {
    pub(crate) fn in_directory(root: &Path) -> Self {
        Objects {
            files: FileSystem::new(root).unwrap(),
            root: root.to_owned(),
        }
    }

    /// A page of a bucket without directories. That of s3s-fs opens each object for each page, which takes minutes
    /// for 10,000.
    fn page(&self, input: ListObjectsV2Input) -> ListObjectsV2Output {
        let prefix = input.prefix.clone().unwrap_or_default();
        let after = input.continuation_token.as_ref();
        let after = after.or(input.start_after.as_ref());
        let named = |file: DirEntry| Some((file.file_name().into_string().ok()?, file));
        let files = fs::read_dir(self.root.join(&input.bucket)).unwrap();
        let mut files: Vec<_> = files
            .filter_map(|file| named(file.unwrap()))
            .filter(|(name, _)| name.starts_with(&prefix) && !name.starts_with('.'))
            .filter(|(name, _)| after.is_none_or(|after| name > after))
            .collect();
        files.sort_by(|(one, _), (other, _)| one.cmp(other));
        let is_truncated = files.len() > PAGE;
        files.truncate(PAGE);
        let last = files.last().map(|(name, _)| name.clone());
        let objects = files.into_iter().map(|(name, file)| {
            let about = file.metadata().unwrap();
            Object {
                key: Some(name),
                size: i64::try_from(about.len()).ok(),
                last_modified: about.modified().ok().map(Timestamp::from),
                ..Object::default()
            }
        });
        let objects: Vec<_> = objects.collect();
        ListObjectsV2Output {
            key_count: i32::try_from(objects.len()).ok(),
            contents: Some(objects),
            is_truncated: Some(is_truncated),
            next_continuation_token: last.filter(|_| is_truncated),
            name: Some(input.bucket),
            prefix: input.prefix,
            ..ListObjectsV2Output::default()
        }
    }
}

macro_rules! for_whoever_asks {
    ($($operation:ident $input:ident $output:ident;)*) => {
        #[async_trait::async_trait]
        impl S3 for Objects {
            $(
                async fn $operation(
                    &self,
                    mut request: S3Request<$input>,
                ) -> S3Result<S3Response<$output>> {
                    request.credentials = None;
                    self.files.$operation(request).await
                }
            )*

            async fn list_objects_v2(
                &self,
                request: S3Request<ListObjectsV2Input>,
            ) -> S3Result<S3Response<ListObjectsV2Output>> {
                Ok(S3Response::new(self.page(request.input)))
            }
        }
    };
}

for_whoever_asks! {
    abort_multipart_upload AbortMultipartUploadInput AbortMultipartUploadOutput;
    complete_multipart_upload CompleteMultipartUploadInput CompleteMultipartUploadOutput;
    copy_object CopyObjectInput CopyObjectOutput;
    create_multipart_upload CreateMultipartUploadInput CreateMultipartUploadOutput;
    delete_object DeleteObjectInput DeleteObjectOutput;
    delete_objects DeleteObjectsInput DeleteObjectsOutput;
    get_object GetObjectInput GetObjectOutput;
    head_object HeadObjectInput HeadObjectOutput;
    put_object PutObjectInput PutObjectOutput;
    upload_part UploadPartInput UploadPartOutput;
}
